using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteRawSqlTests() : RawSqlSpecification(new SqliteTestDatabase());

public sealed class PostgresRawSqlTests() : RawSqlSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerRawSqlTests() : RawSqlSpecification(new SqlServerTestDatabase());
