using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>All that differs in SQL between the stores: how two creators take turns, which columns are there, and how names compare.</summary>
internal sealed record StoreDialect(string LockSql, string ColumnsSql, string Collation)
{
    private static readonly StoreDialect Sqlite = new(
        "",
        "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'",
        "");

    private static readonly StoreDialect PostgreSql = new(
        "SELECT pg_advisory_xact_lock(4994531874551)",
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()",
        "C");

    private static readonly StoreDialect SqlServer = new(
        "EXEC sp_getapplock @Resource = 'efenvelope local kms', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 60000",
        "SELECT TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = SCHEMA_NAME()",
        "Latin1_General_100_BIN2");

    /// <summary>Returns the dialect of a provider, or nothing when it is not one of the three.</summary>
    public static StoreDialect? Of(string? provider) => provider switch
    {
        "Microsoft.EntityFrameworkCore.Sqlite" => Sqlite,
        "Npgsql.EntityFrameworkCore.PostgreSQL" => PostgreSql,
        "Microsoft.EntityFrameworkCore.SqlServer" => SqlServer,
        _ => null,
    };

    /// <summary>Lets texts compare byte by byte: the names of keys differ by case, and are listed in one order everywhere.</summary>
    public void CompareExactly(ModelBuilder modelBuilder)
    {
        if (Collation.Length == 0)
            return;
        foreach (var property in modelBuilder.Model.GetEntityTypes().SelectMany(e => e.GetProperties()).Where(p => p.ClrType == typeof(string)))
            property.SetCollation(Collation);
    }
}
