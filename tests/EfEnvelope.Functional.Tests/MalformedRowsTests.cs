using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteMalformedRowsTests() : MalformedRowsSpecification(new SqliteTestDatabase());

public sealed class PostgresMalformedRowsTests() : MalformedRowsSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerMalformedRowsTests() : MalformedRowsSpecification(new SqlServerTestDatabase());
