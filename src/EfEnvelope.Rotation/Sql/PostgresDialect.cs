using System.Data.Common;
using System.Globalization;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Rotation.Sql;

/// <summary>PostgreSQL: a batch is one statement over arrays, which never waits for a row that somebody else has locked.</summary>
internal sealed class PostgresDialect(Func<string, string> quote) : Dialect(quote)
{
    // What the driver gives and takes exactly; any other type travels as text, and the server casts it.
    private const int MaxVarchar = 10_485_760;

    private static readonly HashSet<string> NativeKeys = ["smallint", "integer", "bigint", "uuid", "text", "bytea"];

    public override bool PreparesStatements => true;

    public override string Provider => "Npgsql.EntityFrameworkCore.PostgreSQL";

    public override async ValueTask<List<TableSql>> ListChecksAsync(Session session, TableInfo table, CancellationToken cancellationToken)
        => [.. (await session.QueryAsync(
                "SELECT conname::text, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass(@p0)",
                [Table(table)], cancellationToken).ConfigureAwait(false))
            .Select(r => new TableSql("check", (string)r[0]!, (string)r[1]!, (bool)r[2]!))];

    public override async ValueTask<List<TableSql>> ListReadersAsync(Session session, TableInfo table, CancellationToken cancellationToken)
        => [.. (await session.QueryAsync(
                """
                SELECT 'generated column', a.attname::text, pg_get_expr(d.adbin, d.adrelid)
                FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.attrelid = to_regclass(@p0) AND a.attgenerated <> ''
                UNION ALL
                SELECT CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, c.relname::text, pg_get_viewdef(c.oid)
                FROM pg_class c
                WHERE c.relkind IN ('v', 'm') AND EXISTS (
                    SELECT 1 FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                    WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass(@p0))
                UNION ALL
                SELECT 'trigger', t.tgname::text, pg_get_triggerdef(t.oid) || ' ' || p.prosrc
                FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                WHERE t.tgrelid = to_regclass(@p0) AND NOT t.tgisinternal
                ORDER BY 1, 2
                """,
                [Table(table)], cancellationToken).ConfigureAwait(false))
            .Select(r => new TableSql((string)r[0]!, (string)r[1]!, (string)r[2]!))];

    // With row security a job would miss the rows that it may not see: an error is better. The planner is kept from scanning the table for each batch.
    public override async ValueTask PrepareAsync(Session session, CancellationToken cancellationToken)
        => await session.ExecuteAsync(
            "SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan; SET row_security = off; SET TIME ZONE 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1",
            [], cancellationToken).ConfigureAwait(false);

    public override async ValueTask<TableInfo?> FindTableAsync(Session session, string schema, string name, CancellationToken cancellationToken)
    {
        var columns = await session.QueryAsync(
            """
            SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, t.typname::text, a.atttypmod,
                COALESCE(CASE WHEN array_position(p.indkey::smallint[], a.attnum) < p.indnkeyatts THEN array_position(p.indkey::smallint[], a.attnum) END, -1),
                EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indkey[0] = a.attnum),
                EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary AND a.attnum = ANY (i.indkey::smallint[]))
            FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            JOIN pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_index p ON p.indrelid = c.oid AND p.indisprimary
            WHERE c.relkind IN ('r', 'p') AND c.relname = @p0::name AND (CASE WHEN @p1 = '' THEN pg_table_is_visible(c.oid) ELSE n.nspname = @p1::name END)
            ORDER BY a.attnum
            """,
            [name, schema], cancellationToken).ConfigureAwait(false);
        return columns.Count == 0 ? null : new TableInfo(schema, name, [.. columns.Select(Describe)]);
    }

    public override async ValueTask<List<(string Schema, string Name)>> ListTablesAsync(Session session, CancellationToken cancellationToken)
        => [.. (await session.QueryAsync(
                """
                SELECT CASE WHEN pg_table_is_visible(c.oid) THEN '' ELSE n.nspname::text END, c.relname::text
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%' AND c.relname NOT LIKE '\_\_E%'
                ORDER BY 1, 2
                """,
                [], cancellationToken).ConfigureAwait(false))
            .Select(r => ((string)r[0]!, (string)r[1]!))];

    public override async ValueTask<IReadOnlySet<string>> ListOtherMapsAsync(Session session, CancellationToken cancellationToken)
        => (await session.QueryAsync(
                "SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relname = @p0 AND c.oid IS DISTINCT FROM to_regclass(@p1)",
                [EnvelopeTables.Map, Table(session.Schema, EnvelopeTables.Map)], cancellationToken).ConfigureAwait(false))
            .Select(r => (string)r[0]!).ToHashSet(StringComparer.Ordinal);

    public override string SelectKey(TableColumn key, string alias)
        => NativeKeys.Contains(key.StoreType) ? base.SelectKey(key, alias) : $"{base.SelectKey(key, alias)}::text";

    public override string KeyParameter(TableColumn key, string parameter)
        => NativeKeys.Contains(key.StoreType) ? parameter : $"{parameter}::text::{key.StoreType}";

    public override string SelectValue(RowColumn column, string alias)
        => IsBytes(column) ? base.SelectValue(column, alias) : $"{base.SelectValue(column, alias)}::text";

    public override string Header(string column, StoredForm form)
        => form == StoredForm.Binary
            ? $"substring({column} from 1 for 5)"
            : $"(CASE WHEN {LooksLikeText(column)} THEN substr({column}::text, {HeaderText.Start}, {HeaderText.Length}) ELSE '' END COLLATE \"C\")";

    public override string Literal(ReadOnlySpan<byte> bytes) => $"'\\x{Convert.ToHexStringLower(bytes)}'::bytea";

    // Also true while row security is off for this connection, so that a query is refused instead of seeing less.
    public override async ValueTask<bool> HidesRowsAsync(Session session, TableInfo table, CancellationToken cancellationToken)
        => await session.ScalarAsync("SELECT row_security_active(to_regclass(@p0))", [Table(table)], cancellationToken).ConfigureAwait(false) is true;

    public override string LooksLikeText(string column)
        => $"(substr({column}::text, 1, {TextEnvelope.Prefix.Length}) COLLATE \"C\" = '{TextEnvelope.Prefix}')";

    public override async ValueTask<int> WriteAsync(
        Session session, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows, bool compares, IReadOnlyList<Question> questions,
        CancellationToken cancellationToken)
        => await session.ExecuteAsync(
            questions,
            UpdateStatement(table, columns, compares),
            [
                .. table.Key.Select((_, i) => ($"k{i}", (object)ToArray(rows, r => r.Key[i]))),
                .. columns.Select((c, i) => ($"o{i}", (object)ToArray(c, rows, r => r.Old[i]))),
                .. columns.Select((c, i) => ($"n{i}", (object)ToArray(c, rows, r => r.New[i]))),
            ],
            cancellationToken).ConfigureAwait(false);

    /// <summary>Makes the statement of a batch, whose parameters are an array for each part of the key (k0 …), each column as it was read (o0 …) and as it becomes (n0 …).</summary>
    // A row that is locked is left for later instead of waited for, so a job is in nobody's way and part of no deadlock. Of the rows that it locked, those
    // are written that still hold what was read: the database looks at the newest version of each. The values pass through the locking query, because the
    // planner knows no number of rows for arrays and would compare each locked row with each value.
    public string UpdateStatement(TableInfo table, IReadOnlyList<RowColumn> columns, bool compares)
    {
        var keys = table.Key.Select((k, i) => (Column: k, Name: $"k{i}")).ToList();
        var same = string.Join(" AND ", keys.Select(k => $"t.{Quote(k.Column.Name)} = u.{k.Name}"));
        var arrays = keys.Select(k => (k.Name, Sql: ArrayParameter(k.Column, $"@{k.Name}")))
            .Concat(columns.Select((c, i) => ($"o{i}", $"@o{i}::{TypeOf(c)}[]")))
            .Concat(columns.Select((c, i) => ($"n{i}", $"@n{i}::{TypeOf(c)}[]"))).ToList();
        var unnested = $"unnest({string.Join(", ", arrays.Select(a => a.Item2))}) AS u({string.Join(", ", arrays.Select(a => a.Item1))})";
        var unchanged = compares ? string.Concat(columns.Select((c, i) => $" AND {Compare(c, $"t.{Quote(c.Name)}", $"u.o{i}")}")) : "";
        return $"""
            WITH u AS MATERIALIZED (
                SELECT u.* FROM {unnested} JOIN {Table(table)} AS t ON {same}
                ORDER BY {string.Join(", ", keys.Select(k => $"t.{Quote(k.Column.Name)}"))} FOR NO KEY UPDATE OF t SKIP LOCKED)
            UPDATE {Table(table)} AS t SET {SetClause(columns, (c, i) => $"u.n{i}{Cast(c)}")} FROM u WHERE {same}{unchanged}
            """;
    }

    public override async ValueTask<List<(int Place, object?[] Values)>> ReadBackAsync(
        Session session, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows, CancellationToken cancellationToken)
    {
        object?[] keys = [.. table.Key.Select((_, i) => ToArray(rows, r => r.Key[i]))];
        var read = await session.QueryAsync(ReadBackStatement(table, columns), keys, cancellationToken).ConfigureAwait(false);
        return [.. read.Select(r => ((int)(long)r[0]! - 1, r[1..]))];
    }

    /// <summary>Makes the statement that reads rows by their keys, an array for each part (p0 …).</summary>
    public string ReadBackStatement(TableInfo table, IReadOnlyList<RowColumn> columns)
    {
        var values = string.Join(", ", columns.Select(c => SelectStored(c, "t")));
        var arrays = string.Join(", ", table.Key.Select((k, i) => ArrayParameter(k, $"@p{i}")));
        var names = string.Concat(table.Key.Select((_, i) => $"k{i}, "));
        var same = string.Join(" AND ", table.Key.Select((k, i) => $"t.{Quote(k.Name)} = u.k{i}"));
        return $"SELECT u.i, {values} FROM unnest({arrays}) WITH ORDINALITY AS u({names}i) JOIN {Table(table)} AS t ON {same}";
    }

    // As an application reads it: a cast to text takes trailing blanks away, and shortens a 'real' to fewer digits than it has.
    private string SelectStored(RowColumn column, string alias)
    {
        var name = $"{alias}.{Quote(column.Name)}";
        return column.Form != StoredForm.Plain ? SelectValue(column, alias)
            : column.PlaintextType is "string" or "char" ? $"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END"
            : column.PlaintextType is "float32" or "float64" ? $"{name}::double precision::text"
            : SelectValue(column, alias);
    }

    public override string ClaimRange(string table)
        => $"SELECT \"Number\", \"LowerKey\", \"UpperKey\" FROM {table} WHERE \"JobId\" = @p0 AND \"PassDone\" < @p1 ORDER BY \"Number\" LIMIT 1 FOR UPDATE SKIP LOCKED";

    public override IReadOnlyList<string> CreateJobTables(string? schema)
        => JobTables.Create(this, schema, "varchar", "text", "bigint", "integer", filter: "");

    public override string? Widen(TableInfo table, TableColumn column, int? length)
        => column.IsText && column.MaxLength is { } has && (length is not { } needs || has < needs)
            ? string.Create(CultureInfo.InvariantCulture, $"ALTER TABLE {Table(table)} ALTER COLUMN {Quote(column.Name)} TYPE {(length is <= MaxVarchar ? $"character varying({length})" : "text")}")
            : null;

    protected override int MaxNameLength => 63;

    public override string AddColumn(TableInfo table, string column, StoredForm form, string plaintextType)
        => $"ALTER TABLE {Table(table)} ADD COLUMN {Quote(column)} {NewTypeOf(form, plaintextType)} NULL"
            + (form == StoredForm.Plain ? "" : $", ADD {CheckOf(table, column, form)} NOT VALID");

    // As 'CREATE INDEX CONCURRENTLY' does it: until every transaction of this database has ended that has begun to write, or holds or awaits the lock of a table
    // that it is going to write: a statement that still looks for its first row has no number yet. Others of the server do not matter.
    public override async ValueTask WaitForWritersAsync(
        Session session, IReadOnlyList<TableInfo> tables, TimeProvider time, CancellationToken cancellationToken)
    {
        const string Writers =
            """
            SELECT w.x FROM (
                SELECT a.pid::text || '/' || a.backend_xid::text AS x FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid
                WHERE d.datname = current_database() AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()
                UNION ALL SELECT DISTINCT l.pid::text || '/' || l.virtualtransaction FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE d.datname = current_database() AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.relation >= 16384 AND l.pid <> pg_backend_pid()
                UNION ALL SELECT '0/' || p.transaction::text FROM pg_prepared_xacts p WHERE p.database = current_database()) w
            """;
        var before = (await session.QueryAsync(Writers, [], cancellationToken).ConfigureAwait(false)).Select(r => (string?)r[0]).ToArray();
        var since = time.GetTimestamp();
        while (before.Length > 0)
        {
            if (time.GetElapsedTime(since) > WriterPatience)
                throw new OperationRefusedException(RotationMessages.TransactionOpen());
            before = [.. (await session.QueryAsync($"{Writers} WHERE w.x = ANY (@p0)", [before], cancellationToken).ConfigureAwait(false)).Select(r => (string?)r[0])];
            if (before.Length > 0)
                await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellationToken).ConfigureAwait(false);
        }
    }

    public override object FormatPlain(string plaintextType, byte[] plaintext)
        => PostgresPlainText.Format(plaintextType, plaintext) ?? base.FormatPlain(plaintextType, plaintext);

    public override byte[] ParsePlain(string plaintextType, object value)
        => (value is string text ? PostgresPlainText.Parse(plaintextType, text) : null) ?? base.ParsePlain(plaintextType, value);

    // It keeps microseconds.
    protected override bool IsSameTime(long left, long right) => left / TimeSpan.TicksPerMicrosecond == right / TimeSpan.TicksPerMicrosecond;

    public override async ValueTask CheckAtOnceAsync(Session session, CancellationToken cancellationToken)
        => await session.ExecuteAsync("SET CONSTRAINTS ALL IMMEDIATE", [], cancellationToken).ConfigureAwait(false);

    public override async ValueTask LimitWaitsAsync(Session session, CancellationToken cancellationToken)
        => await session.ExecuteAsync("SET LOCAL lock_timeout = '10s'", [], cancellationToken).ConfigureAwait(false);

    private static bool IsBytes(RowColumn column) => column.Form == StoredForm.Binary || (column.Form == StoredForm.Plain && column.PlaintextType == "bytes");

    private static string TypeOf(RowColumn column) => IsBytes(column) ? "bytea" : "text";

    // What holds text is assigned, not cast: a cast cuts off what is too long without a word, and an assignment refuses it.
    private static string Cast(RowColumn column)
        => IsBytes(column) || column.Form == StoredForm.Text || column.StoreType is ['t', 'e', 'x', 't'] or ['c', 'h', 'a', 'r', 'a', 'c', 't', 'e', 'r', ..]
            ? "" : $"::{column.StoreType}";

    // Byte by byte, whatever the column's collation: 'ada' and 'ADA' may be equal to it.
    private static string Compare(RowColumn column, string stored, string read)
        => IsBytes(column) ? $"{stored} IS NOT DISTINCT FROM {read}" : $"({stored}::text COLLATE \"C\") IS NOT DISTINCT FROM {read}";

    private static string ArrayParameter(TableColumn key, string parameter)
        => NativeKeys.Contains(key.StoreType) ? $"{parameter}::{key.StoreType}[]" : $"{parameter}::text[]::{key.StoreType}[]";

    private static Array ToArray(RowColumn column, IReadOnlyList<RowChange> rows, Func<RowChange, object?> select)
        => IsBytes(column) ? rows.Select(r => (byte[]?)select(r)).ToArray() : rows.Select(r => (string?)select(r)).ToArray();

    private static Array ToArray(IReadOnlyList<RowChange> rows, Func<RowChange, object?> select)
    {
        var array = Array.CreateInstance(select(rows[0])!.GetType(), rows.Count);
        for (var i = 0; i < rows.Count; i++)
            array.SetValue(select(rows[i]), i);
        return array;
    }

    private static TableColumn Describe(object?[] c)
    {
        var (type, modifier) = ((string)c[3]!, (int)c[4]!);
        return new TableColumn(
            (string)c[0]!, (string)c[1]!, (bool)c[2]!, type == "bytea", type is "text" or "varchar" or "bpchar" or "citext" or "name",
            type is "varchar" or "bpchar" && modifier > 4 ? modifier - 4 : null, Convert.ToInt32(c[5], System.Globalization.CultureInfo.InvariantCulture) + 1,
            (bool)c[6]!, (bool)c[7]!, IsPadded: type == "bpchar");
    }

    public override string NewTypeOf(StoredForm form, string plaintextType)
        => form switch
        {
            StoredForm.Binary => "bytea",
            StoredForm.Text => "text",
            _ => plaintextType switch
            {
                "bytes" => "bytea",
                "bool" => "boolean",
                "int8" or "uint8" or "int16" => "smallint",
                "uint16" or "int32" => "integer",
                "uint32" or "int64" => "bigint",
                "uint64" or "decimal" => "numeric",
                "float32" => "real",
                "float64" => "double precision",
                "guid" => "uuid",
                "date" => "date",
                "time" => "time without time zone",
                "timespan" => "interval",
                "datetime" => "timestamp without time zone",
                "datetimeoffset" => "timestamp with time zone",
                _ => "text",
            },
        };
}
