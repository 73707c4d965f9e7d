using EfEnvelope.EntityFrameworkCore.KeyStore;

namespace EfEnvelope.Rotation.Sql;

/// <summary>The four tables that jobs are kept in. They are not part of an application's model: whoever needs them first creates them.</summary>
internal static class JobTables
{
    public const string Jobs = "__EnvelopeJobs";
    public const string Ranges = "__EnvelopeRanges";
    public const string Checkpoints = "__EnvelopeCheckpoints";
    public const string Findings = "__EnvelopeFindings";

    private const string Unique = "IX___EnvelopeJobs_Active";

    /// <summary>Makes their statements, which do nothing where a table is there already.</summary>
    public static IReadOnlyList<string> Create(Dialect dialect, string? schema, string shortText, string longText, string big, string small, string filter)
    {
        var isSqlServer = dialect is SqlServerDialect;
        string Literal(string table) => Escape(dialect.Table(schema, table));
        string Short(int length) => shortText == "TEXT" ? shortText : $"{shortText}({length})";
        string Name(int length) => Short(length) + EnvelopeTablesSql.Collate(dialect.Provider);
        string Column(string name, string type, bool nullable = false) => $"{dialect.Quote(name)} {type} {(nullable ? "NULL" : "NOT NULL")}";
        string Key(string table, params string[] columns)
            => $"CONSTRAINT {dialect.Quote($"PK_{table}")} PRIMARY KEY ({string.Join(", ", columns.Select(dialect.Quote))})";
        string CreateTable(string name, params string[] parts)
            => isSqlServer
                ? $"IF OBJECT_ID(N'{Literal(name)}') IS NULL CREATE TABLE {dialect.Table(schema, name)} ({string.Join(", ", parts)})"
                : $"CREATE TABLE IF NOT EXISTS {dialect.Table(schema, name)} ({string.Join(", ", parts)})";

        var index = $"UNIQUE INDEX {(isSqlServer ? "" : "IF NOT EXISTS ")}{dialect.Quote(Unique)} ON {dialect.Table(schema, Jobs)} ({dialect.Quote("Active")}){filter}";
        return
        [
            CreateTable(
                Jobs,
                Column("Id", big), Column("Kind", Short(20)), Column("State", Short(20)), Column("Active", Name(300), nullable: true), Column("Scope", Name(200)),
                Column("Request", longText), Column("Target", longText, nullable: true), Column("Throttle", longText), Column("Pass", small), Column("PassStartedAt", Short(40), nullable: true),
                Column("NotBefore", Short(40), nullable: true), Column("Reason", longText, nullable: true), Column("EstimatedRows", big), Column("CreatedAt", Short(40)),
                Column("StartedAt", Short(40), nullable: true), Column("EndedAt", Short(40), nullable: true), Key(Jobs, "Id")),
            isSqlServer
                ? $"IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'{Unique}' AND object_id = OBJECT_ID(N'{Literal(Jobs)}')) CREATE {index}"
                : $"CREATE {index}",
            CreateTable(
                Ranges,
                Column("JobId", big), Column("Number", small), Column("LowerKey", longText, nullable: true), Column("UpperKey", longText, nullable: true), Column("PassDone", small),
                Key(Ranges, "JobId", "Number")),
            CreateTable(
                Checkpoints,
                Column("JobId", big), Column("Number", small), Column("Pass", small), Column("Step", big), Column("Position", longText, nullable: true), Column("RowsRead", big),
                Column("RowsWritten", big), Column("RowsLost", big), Column("RowsRefused", big), Column("PassWork", big), Key(Checkpoints, "JobId", "Number")),
            CreateTable(
                Findings,
                Column("JobId", big), Column("Number", small), Column("Pass", small), Column("Step", big), Column("Entry", small), Column("RowKey", longText), Column("ColumnName", Short(128)),
                Column("Reason", longText), Key(Findings, "JobId", "Number", "Pass", "Step", "Entry")),
            .. ChangeNames(dialect, schema) is { } change ? [change] : Array.Empty<string>(),
        ];
    }

    /// <summary>
    /// Makes the statement that lets the names in a table of an earlier version be compared byte by byte, on SQL Server. It does nothing
    /// where they are, and where the user may not change the table.
    /// </summary>
    public static string? ChangeNames(Dialect dialect, string? schema)
    {
        if (dialect is not SqlServerDialect)
            return null;
        var (table, collate) = (dialect.Table(schema, Jobs), EnvelopeTablesSql.Collate(dialect.Provider));
        var change = $"SET XACT_ABORT ON; BEGIN TRANSACTION; DROP INDEX IF EXISTS {dialect.Quote(Unique)} ON {table};"
            + $" ALTER TABLE {table} ALTER COLUMN [Active] nvarchar(300){collate} NULL;"
            + $" ALTER TABLE {table} ALTER COLUMN [Scope] nvarchar(200){collate} NOT NULL;"
            + $" CREATE UNIQUE INDEX {dialect.Quote(Unique)} ON {table} ([Active]) WHERE [Active] IS NOT NULL; COMMIT;";
        var name = $"N'{Escape(table)}'";
        return $"IF {EnvelopeTablesSql.HasOtherCollation(name, ["Active", "Scope"])}"
            + $" AND HAS_PERMS_BY_NAME({name}, 'OBJECT', 'ALTER') = 1 EXEC(N'{Escape(change)}')";
    }

    private static string Escape(string text) => text.Replace("'", "''", StringComparison.Ordinal);
}
