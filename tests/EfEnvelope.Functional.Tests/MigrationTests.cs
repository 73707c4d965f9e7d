using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteMigrationTests() : MigrationSpecification(new SqliteTestDatabase())
{
    protected override string BinaryType => "BLOB";
}

public sealed class PostgresMigrationTests() : MigrationSpecification(new PostgresTestDatabase())
{
    protected override string BinaryType => "bytea";
}

[Collection("SqlServer")]
public sealed class SqlServerMigrationTests() : MigrationSpecification(new SqlServerTestDatabase())
{
    protected override string BinaryType => "varbinary(max)";
}
