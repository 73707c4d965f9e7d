using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteSearchFixture : SearchFixture
{
    public override TestDatabase CreateDatabase() => new SqliteTestDatabase();
}

public sealed class SqliteSearchTests(SqliteSearchFixture fixture) : SearchSpecification(fixture), IClassFixture<SqliteSearchFixture>;

public sealed class PostgresSearchFixture : SearchFixture
{
    public override TestDatabase CreateDatabase() => new PostgresTestDatabase();
}

public sealed class PostgresSearchTests(PostgresSearchFixture fixture) : SearchSpecification(fixture), IClassFixture<PostgresSearchFixture>
{
    protected override IReadOnlyDictionary<string, string> UntranslatableHere { get; }
        = new Dictionary<string, string>
        {
            ["StartsWith a character"] = "could not be translated",
            ["ToString =="] = "could not be translated",
            ["DateTime.Date"] = "could not be translated",
        };
}

public sealed class SqlServerSearchFixture : SearchFixture
{
    // There is one database, and this state holds what the others do.
    public override IReadOnlyList<SearchState> States => [SearchState.MixedRows];

    public override TestDatabase CreateDatabase() => new SqlServerTestDatabase();
}

[Collection("SqlServer")]
public sealed class SqlServerSearchTests(SqlServerSearchFixture fixture) : SearchSpecification(fixture), IClassFixture<SqlServerSearchFixture>;
