using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional;

public sealed class SqliteMalformedRowsTests() : MalformedRowsSpecification(new SqliteTestDatabase());

public sealed class PostgresMalformedRowsTests() : MalformedRowsSpecification(new PostgresTestDatabase());
