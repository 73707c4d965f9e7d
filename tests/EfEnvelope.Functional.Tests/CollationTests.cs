using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteCollationTests() : CollationSpecification(new SqliteTestDatabase())
{
    protected override async Task IgnoreCaseAsync(string table, string column, bool withKey)
    {
        var create = (string)(await Database.QueryAsync($"SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '{table}'"))[0]!;
        create = create.Replace($"{Q(column)} TEXT", $"{Q(column)} TEXT COLLATE NOCASE", StringComparison.Ordinal);
        if (!withKey && create.IndexOf(Q(column), create.IndexOf("PRIMARY KEY", StringComparison.Ordinal), StringComparison.Ordinal) is var at and >= 0)
            create = create.Insert(at + Q(column).Length, " COLLATE BINARY");
        await Database.QueryAsync($"ALTER TABLE {Q(table)} RENAME TO old; {create.TrimStart()}; INSERT INTO {Q(table)} SELECT * FROM "
            + $"old; DROP TABLE old");
    }
}

public sealed class PostgresCollationTests() : CollationSpecification(new PostgresTestDatabase())
{
    protected override async Task IgnoreCaseAsync(string table, string column, bool withKey)
    {
        await Database.QueryAsync("CREATE COLLATION IF NOT EXISTS nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = "
            + "false)");
        var key = (string?)(await Database.QueryAsync($"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = "
            + $"'{Q(table)}'::regclass AND contype = 'p'"))[0];
        await Database.QueryAsync($"ALTER TABLE {Q(table)} DROP CONSTRAINT {Q($"PK_{table}")}");
        await Database.QueryAsync($"ALTER TABLE {Q(table)} ALTER COLUMN {Q(column)} TYPE varchar(200) COLLATE nocase");
        if (withKey)
            await Database.QueryAsync($"ALTER TABLE {Q(table)} ADD CONSTRAINT {Q($"PK_{table}")} {key}");
        else
            await Database.QueryAsync($"CREATE UNIQUE INDEX ON {Q(table)} "
                + $"{key!["PRIMARY KEY ".Length..].Replace(Q(column), $"{Q(column)} COLLATE \"C\"", StringComparison.Ordinal)}");
    }
}

[Collection("SqlServer")]
public sealed class SqlServerCollationTests() : CollationSpecification(new SqlServerTestDatabase())
{
    protected override async Task IgnoreCaseAsync(string table, string column, bool withKey)
    {
        var type = (table, column) switch
        {
            (_, "TableName") => "nvarchar(128)",
            ("__EnvelopeJobs", _) => "nvarchar(200)",
            _ => "varchar(200)",
        };
        if (table != "__EnvelopeJobs")
            await Database.QueryAsync($"ALTER TABLE {Q(table)} DROP CONSTRAINT {Q($"PK_{table}")}");
        await Database.QueryAsync($"ALTER TABLE {Q(table)} ALTER COLUMN {Q(column)} {type} COLLATE Latin1_General_100_CI_AS NOT NULL");
        if (withKey)
            await Database.QueryAsync($"ALTER TABLE {Q(table)} ADD CONSTRAINT {Q($"PK_{table}")} PRIMARY KEY ([Scope], [Version])");
    }
}
