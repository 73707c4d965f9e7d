using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>The SQL text by which migrations create and fill our tables. Each statement can run again, and beside another context's.</summary>
internal sealed class EnvelopeTablesSql(ISqlGenerationHelper sql, IRelationalTypeMappingSource types, string? provider)
{
    private const string SqlServer = "Microsoft.EntityFrameworkCore.SqlServer";
    private const string PostgreSql = "Npgsql.EntityFrameworkCore.PostgreSQL";

    /// <summary>The collation of names on SQL Server, whose usual ones take 'tenant-a' for 'TENANT-A'; the embedded KMS's own.</summary>
    private const string ByteOrder = "Latin1_General_100_BIN2";

    private static readonly StoreTable Map = EnvelopeTables.All.Single(t => t.Name == EnvelopeTables.Map);

    private bool IsSqlServer => provider == SqlServer;

    public static RelationalTypeMapping FindMapping(IRelationalTypeMappingSource types, StoreColumn column)
        => types.FindMapping(column.Type, storeTypeName: null, unicode: column.IsAscii ? false : null, size: column.MaxLength)!;

    /// <summary>Makes the statement that creates a table if it is not there.</summary>
    public string Create(StoreTable table, string? schema)
    {
        var parts = table.Columns
            .Select(c => $"{Quote(c.Name)} {TypeOf(c)}").Append(KeyOf(table));
        var name = Table(table.Name, schema);
        var body = $"{name} (\n    {string.Join(",\n    ", parts)}\n);";
        return IsSqlServer ? $"IF OBJECT_ID({Literal(name)}) IS NULL\nCREATE TABLE {body}" : $"CREATE TABLE IF NOT EXISTS {body}";
    }

    /// <summary>
    /// Makes the condition that a name is another one byte by byte, whatever the collation of its column, which the table's owner may
    /// change.
    /// </summary>
    /// <param name="provider">The name of the provider.</param>
    /// <param name="column">The column, quoted.</param>
    /// <param name="name">The other name, as SQL.</param>
    // The first comparison finds the rows by the table's index, the second one judges them.
    public static string IsName(string? provider, string column, string name)
        => $"{column} = {name} AND {ByBytes(provider, column)} = {name}";

    /// <summary>Makes the expression of a name that is compared and told apart byte by byte.</summary>
    public static string ByBytes(string? provider, string column) => $"{column} COLLATE {CollationOf(provider)}";

    /// <summary>Gets the collation clause of a name's column; empty where the database compares byte by byte by default.</summary>
    public static string Collate(string? provider) => provider == SqlServer ? $" COLLATE {ByteOrder}" : "";

    /// <summary>Gets what a model says of the names in our tables, so that one that keeps them in another way needs a migration.</summary>
    public static string DescribeNames(string? provider) => provider == SqlServer ? $" (names: {ByteOrder})" : "";

    /// <summary>Makes the condition that one of some columns of a table is not compared byte by byte, in SQL Server.</summary>
    /// <param name="table">The table's quoted name as a literal.</param>
    /// <param name="columns">The columns.</param>
    public static string HasOtherCollation(string table, IEnumerable<string> columns)
        => $"EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID({table})"
            + $" AND name IN ({string.Join(", ", columns.Select(c => $"N'{c}'"))}) AND collation_name <> N'{ByteOrder}')";

    /// <summary>
    /// Makes the statement that lets the names of a table of an earlier version be compared byte by byte; none where they are. A column of
    /// the key cannot be changed, so the statement drops the key and makes it again, all or nothing.
    /// </summary>
    public string? ChangeNames(StoreTable table, string? schema)
    {
        if (!IsSqlServer)
            return null;
        var (name, variable) = (Table(table.Name, schema), $"@{table.Name}Names");
        var literal = Literal(name);
        var names = table.Columns.Where(c => c.IsName).ToList();
        var drop = $" ALTER TABLE {name} DROP CONSTRAINT ";
        var change = string.Concat(names.Select(c => $" ALTER TABLE {name} ALTER COLUMN {Quote(c.Name)} {TypeOf(c)};"));
        var key = $"(SELECT QUOTENAME(name) FROM sys.key_constraints WHERE parent_object_id = OBJECT_ID({literal}) AND type = 'PK')";
        return $"IF {HasOtherCollation(literal, names.Select(c => c.Name))}\nBEGIN\n"
            + $"DECLARE {variable} nvarchar(max) = N'SET XACT_ABORT ON; BEGIN TRANSACTION;' + COALESCE({Literal(drop)} + {key} + N';', N'')"
            + $" + {Literal($"{change} ALTER TABLE {name} ADD {KeyOf(table)}; COMMIT;")};\n"
            + $"EXEC({variable});\nEND;";
    }

    /// <summary>Makes the statement that moves a table to another schema, if it is in the old one; none where there are no schemas.</summary>
    public string? Move(StoreTable table, string? from, string? to)
    {
        var name = Table(table.Name, from);
        return provider switch
        {
            PostgreSql when to is not null => $"ALTER TABLE IF EXISTS {name} SET SCHEMA {Quote(to)};",
            PostgreSql => Do($"EXECUTE format('ALTER TABLE IF EXISTS %s SET SCHEMA %I', {Literal(name)}, current_schema());"),
            SqlServer => $"IF OBJECT_ID({Literal(name)}) IS NOT NULL\nBEGIN\nDECLARE @{table.Name} nvarchar(max) = N'ALTER SCHEMA ' + "
                + $"{(to is null ? "QUOTENAME(SCHEMA_NAME())" : Literal(Quote(to)))} + {Literal($" TRANSFER {name}")};\nEXEC(@{table.Name});\nEND;",
            _ => null,
        };
    }

    /// <summary>Makes the query that has a row if a table is there and can be read.</summary>
    public string Find(string table, string? schema)
    {
        var name = Literal(Table(table, schema));
        return provider switch
        {
            PostgreSql => $"SELECT '' WHERE CASE WHEN to_regclass({name}) IS NULL THEN false ELSE has_table_privilege({name}, 'SELECT') END",
            SqlServer => $"SELECT '' WHERE OBJECT_ID({name}) IS NOT NULL AND HAS_PERMS_BY_NAME({name}, 'OBJECT', 'SELECT') = 1",
            _ => $"SELECT '' FROM sqlite_master WHERE type = 'table' AND name = {Literal(table)}",
        };
    }

    /// <summary>Makes the query that has a row if a table has a column, whether or not it may be read.</summary>
    public string FindColumn(string table, string? schema, string column)
    {
        var name = Literal(Table(table, schema));
        return provider switch
        {
            PostgreSql => $"SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass({name}) AND attname = {Literal(column)} AND NOT attisdropped",
            SqlServer => $"SELECT 1 WHERE COL_LENGTH({name}, {Literal(column)}) IS NOT NULL",
            _ => $"SELECT 1 FROM pragma_table_info({Literal(table)}) WHERE name = {Literal(column)} COLLATE NOCASE",
        };
    }

    /// <summary>Makes the query that reads the encryption map.</summary>
    public string ReadMap(string? schema) => $"SELECT {string.Join(", ", Map.Columns.Select(c => Quote(c.Name)))} FROM {Table(Map.Name, schema)}";

    /// <summary>Makes the statement that adds rows of the encryption map, or replaces them.</summary>
    public string Put(IReadOnlyList<MapRow> rows, string? schema)
    {
        var name = Table(Map.Name, schema);
        var insert = $"INSERT INTO {name} ({string.Join(", ", Map.Columns.Select(c => Quote(c.Name)))})";
        var others = Map.Columns.Skip(Map.KeyLength).ToList();
        if (!IsSqlServer)
        {
            return $"{insert}\nVALUES {string.Join(",\n", rows.Select(r => $"({Values(r)})"))}\n"
                + $"ON CONFLICT ({string.Join(", ", Map.Key.Select(c => Quote(c.Name)))}) DO UPDATE SET "
                + $"{string.Join(", ", others.Select(c => $"{Quote(c.Name)} = excluded.{Quote(c.Name)}"))};";
        }

        return string.Join(
            "\n",
            rows.Select(
                r => $"UPDATE {name} SET {string.Join(", ", others.Select((c, i) => $"{Quote(c.Name)} = {Literal(r.Values[Map.KeyLength + i])}"))}"
                    + $" WHERE {IsRow(r)};\nIF @@ROWCOUNT = 0\n{insert}\nVALUES ({Values(r)});"));
    }

    /// <summary>Makes the statement that deletes rows of the encryption map.</summary>
    public string Delete(IEnumerable<MapRow> rows, string? schema)
        => $"DELETE FROM {Table(Map.Name, schema)} WHERE {string.Join(" OR ", rows.Select(r => $"({IsRow(r)})"))};";

    /// <summary>Makes the statement that deletes the rows of whole tables from the encryption map.</summary>
    public string DeleteTables(IEnumerable<(string? Schema, string Name)> tables, string? schema)
        => $"DELETE FROM {Table(Map.Name, schema)} WHERE "
            + string.Join(
                " OR ",
                tables.Select(t => $"({Quote(EnvelopeTables.TableSchema)} = {Literal(t.Schema ?? "")} AND {Quote(EnvelopeTables.TableName)} = {Literal(t.Name)})")) + ";";

    /// <summary>Makes the statement that fails while a row of a column looks like an envelope.</summary>
    /// <param name="table">The column's table.</param>
    /// <param name="schema">The table's schema.</param>
    /// <param name="column">The column.</param>
    /// <param name="isText">Whether the column is text.</param>
    /// <param name="message">What it fails with.</param>
    public string Require(string table, string? schema, string column, bool isText, string message)
    {
        var rows = $"SELECT 1 FROM {Table(table, schema)} WHERE {LooksLikeEnvelope(Quote(column), isText)}";

        // SQLite raises an error of one's own in triggers only. A constraint says its name.
        var check = Quote("__EnvelopeCheck");
        return provider switch
        {
            PostgreSql => Do($"IF EXISTS ({rows}) THEN\nRAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = {Literal(message)};\nEND IF;"),
            SqlServer => $"IF EXISTS ({rows})\nTHROW 50000, {Literal(message)}, 1;",
            _ => $"DROP TABLE IF EXISTS temp.{check};\nCREATE TEMP TABLE {check} (\"Row\" INTEGER NULL, CONSTRAINT {Quote(message)} CHECK (\"Row\" IS NULL));\n"
                + $"INSERT INTO temp.{check} {rows} LIMIT 1;\nDROP TABLE temp.{check};",
        };
    }

    /// <summary>Makes of a statement one that is compiled only where it runs.</summary>
    public string Defer(string statement) => IsSqlServer ? $"EXEC(N'{statement.Replace("'", "''", StringComparison.Ordinal)}');" : statement;

    /// <summary>Makes the condition that a column holds what looks like an envelope.</summary>
    public string LooksLikeEnvelope(string column, bool isText)
        => (provider, isText) switch
        {
            (PostgreSql, true) => $"substr({column}::text, 1, {TextEnvelope.Prefix.Length}) COLLATE \"C\" = '{TextEnvelope.Prefix}'",
            (PostgreSql, false) => $"{column} >= '\\xf8'::bytea",
            (SqlServer, true) => $"LEFT({column}, {TextEnvelope.Prefix.Length}) COLLATE Latin1_General_BIN2 = '{TextEnvelope.Prefix}'",
            (SqlServer, false) => $"SUBSTRING({column}, 1, 1) >= 0xF8",
            (_, true) => $"typeof({column}) = 'text' AND substr({column}, 1, {TextEnvelope.Prefix.Length}) = '{TextEnvelope.Prefix}'",
            (_, false) => $"typeof({column}) = 'blob' AND substr({column}, 1, 1) >= x'F8'",
        };

    // A tag that does not occur in it, so that nothing in it ends it.
    private static string Do(string body)
    {
        var tag = "$efenvelope$";
        while (body.Contains(tag, StringComparison.Ordinal))
            tag = tag.Insert(1, "x");
        return $"DO {tag} BEGIN\n{body}\nEND {tag};";
    }

    private static string CollationOf(string? provider)
        => provider switch
        {
            SqlServer => ByteOrder,
            PostgreSql => "\"C\"",
            _ => "BINARY",
        };

    private string TypeOf(StoreColumn column)
        => $"{FindMapping(types, column).StoreType}{(column.IsName ? Collate(provider) : "")} {(column.IsNullable ? "NULL" : "NOT NULL")}";

    private string KeyOf(StoreTable table)
        => $"CONSTRAINT {Quote($"PK_{table.Name}")} PRIMARY KEY ({string.Join(", ", table.Key.Select(c => Quote(c.Name)))})";

    private string IsRow(MapRow row) => string.Join(" AND ", Map.Key.Select((c, i) => $"{Quote(c.Name)} = {Literal(row.Values[i])}"));

    private string Values(MapRow row) => string.Join(", ", row.Values.Select(Literal));

    private string Literal(string? text) => text is null ? "NULL" : types.FindMapping(typeof(string))!.GenerateSqlLiteral(text);

    private string Table(string name, string? schema) => sql.DelimitIdentifier(name, schema);

    private string Quote(string name) => sql.DelimitIdentifier(name);
}
