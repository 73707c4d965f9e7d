using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional;

public sealed class SqliteScopesInJobsTests() : ScopesInJobsSpecification(new SqliteTestDatabase());

public sealed class PostgresScopesInJobsTests() : ScopesInJobsSpecification(new PostgresTestDatabase());
