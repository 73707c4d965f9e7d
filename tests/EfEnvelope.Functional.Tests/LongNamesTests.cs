using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteLongNamesTests() : LongNamesSpecification(new SqliteTestDatabase());

public sealed class PostgresLongNamesTests() : LongNamesSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerLongNamesTests() : LongNamesSpecification(new SqlServerTestDatabase());
