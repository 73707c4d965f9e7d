using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteScopesInJobsTests() : ScopesInJobsSpecification(new SqliteTestDatabase());

public sealed class PostgresScopesInJobsTests() : ScopesInJobsSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerScopesInJobsTests() : ScopesInJobsSpecification(new SqlServerTestDatabase());
