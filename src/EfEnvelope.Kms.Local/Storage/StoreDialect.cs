namespace EfEnvelope.Kms.Local.Storage;

/// <summary>
/// All that differs in SQL between the stores: how two creators take turns, which columns are there, which tables could undo a change (a trigger, a rule,
/// a policy for rows, or a view in the place of a table), how texts compare (byte by byte: the names of keys
/// differ by case, and are listed in one order everywhere), and how a parent row is kept.
/// </summary>
internal sealed record StoreDialect(string LockSql, string ColumnsSql, Func<IEnumerable<string>, string> TrapsSql, string Collate, string Restrict)
{
    /// <summary>The SQL of a file.</summary>
    public static readonly StoreDialect Sqlite = new(
        "",
        "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'",
        // The file is the KMS's own, so no table needs one. A virtual table has no root page.
        _ => "SELECT tbl_name FROM sqlite_master WHERE type IN ('trigger', 'view') OR (type = 'table' AND rootpage = 0) LIMIT 1",
        "",
        "ON DELETE RESTRICT");

    private static readonly StoreDialect PostgreSql = new(
        "SELECT pg_advisory_xact_lock(4994531874551)",
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()",
        tables => $"""
            SELECT c.relname::text FROM pg_class AS c
            WHERE c.oid IN ({string.Join(", ", tables.Select(t => $"to_regclass('{t}')"))})
            AND (c.relkind <> 'r' OR c.relrowsecurity
                OR EXISTS (SELECT 1 FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
                OR EXISTS (SELECT 1 FROM pg_rewrite AS r WHERE r.ev_class = c.oid)
                OR EXISTS (SELECT 1 FROM pg_inherits AS i WHERE c.oid IN (i.inhparent, i.inhrelid))) LIMIT 1
            """,
        " COLLATE \"C\"",
        "ON DELETE RESTRICT");

    private static readonly StoreDialect SqlServer = new(
        "EXEC sp_getapplock @Resource = 'efenvelope local kms', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 60000",
        "SELECT TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = SCHEMA_NAME()",
        // 'OBJECTPROPERTY' also tells of a trigger whose definition the user may not see.
        tables => $"""
            SELECT TOP (1) o.name FROM sys.objects AS o
            WHERE o.schema_id = SCHEMA_ID() AND o.name IN ({string.Join(", ", tables.Select(t => $"N'{t}'"))})
            AND (o.type <> 'U' OR OBJECTPROPERTY(o.object_id, 'HasAfterTrigger') = 1 OR OBJECTPROPERTY(o.object_id, 'HasInsteadOfTrigger') = 1
                OR EXISTS (SELECT 1 FROM sys.security_predicates AS p WHERE p.target_object_id = o.object_id))
            """,
        " COLLATE Latin1_General_100_BIN2",
        "ON DELETE NO ACTION");

    /// <summary>Gets whether a query that ends after a number of rows begins with that number, instead of ending in it.</summary>
    public bool LimitsByTop => this == SqlServer;

    /// <summary>Returns the dialect of a provider, or nothing when it is not one of the three.</summary>
    public static StoreDialect? Of(string? provider) => provider switch
    {
        "Npgsql.EntityFrameworkCore.PostgreSQL" => PostgreSql,
        "Microsoft.EntityFrameworkCore.SqlServer" => SqlServer,
        _ => null,
    };
}
