using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteSearchMigrationTests() : SearchMigrationSpecification(new SqliteTestDatabase());

public sealed class PostgresSearchMigrationTests() : SearchMigrationSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerSearchMigrationTests() : SearchMigrationSpecification(new SqlServerTestDatabase());
