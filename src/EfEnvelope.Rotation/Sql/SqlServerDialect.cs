using System.Data.Common;
using System.Globalization;
using System.Text;
using System.Text.Json;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Rotation.Engine;

namespace EfEnvelope.Rotation.Sql;

/// <summary>
/// SQL Server: a batch is one statement over one JSON parameter, which needs no table type in the user's database. What is compared is compared as bytes,
/// with its length: the server takes 'a' for 'A', and 0x01 for 0x0100.
/// </summary>
internal sealed class SqlServerDialect(Func<string, string> quote) : Dialect(quote)
{
    public override string Provider => "Microsoft.EntityFrameworkCore.SqlServer";

    public override async ValueTask<TableInfo?> FindTableAsync(Session session, string schema, string name, CancellationToken cancellationToken)
    {
        var columns = await session.QueryAsync(
            """
            SELECT c.name, t.name, CAST(c.is_nullable AS int), CAST(c.max_length AS int), CAST(c.precision AS int), CAST(c.scale AS int),
                COALESCE((SELECT CAST(ic.key_ordinal AS int) FROM sys.indexes i JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
                    WHERE i.object_id = o.object_id AND i.is_primary_key = 1 AND ic.column_id = c.column_id), 0),
                CASE WHEN EXISTS (SELECT 1 FROM sys.index_columns ic WHERE ic.object_id = o.object_id AND ic.column_id = c.column_id AND ic.key_ordinal = 1) THEN 1 ELSE 0 END,
                CASE WHEN EXISTS (SELECT 1 FROM sys.indexes i JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
                    WHERE i.object_id = o.object_id AND i.is_unique = 1 AND i.is_primary_key = 0 AND ic.column_id = c.column_id AND ic.key_ordinal > 0) THEN 1 ELSE 0 END,
                c.collation_name, CAST(o.is_memory_optimized AS int), CAST(COALESCE(c.encryption_type, 0) AS int), CAST(c.is_sparse AS int),
                (SELECT MIN(i.name) FROM sys.indexes i JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
                    WHERE i.object_id = o.object_id AND ic.column_id = c.column_id AND ic.is_included_column = 0)
            FROM sys.tables o
            JOIN sys.columns c ON c.object_id = o.object_id
            JOIN sys.types t ON t.user_type_id = c.system_type_id
            WHERE o.name = @p0 AND o.schema_id = CASE WHEN @p1 = N'' THEN SCHEMA_ID() ELSE SCHEMA_ID(@p1) END
            ORDER BY c.column_id
            """,
            [name, schema], cancellationToken).ConfigureAwait(false);
        return columns.Count == 0 ? null
            : new TableInfo(schema, name, [.. columns.Select(Describe)]) { IsMemoryOptimized = (int)columns[0][10]! == 1 };
    }

    /// <summary>Gets the query whose answer is 1 if two names are of one table, as they are where the database ignores case.</summary>
    public const string CompareTables = "SELECT CASE WHEN OBJECT_ID(@p0) = OBJECT_ID(@p1) THEN 1 ELSE 0 END";

    public override async ValueTask<bool> IsOneTableAsync(Session session, string left, string right, CancellationToken cancellationToken)
        => await session.ScalarAsync(CompareTables, [left, right], cancellationToken).ConfigureAwait(false) is 1;

    public override async ValueTask<List<(string Schema, string Name)>> ListTablesAsync(Session session, CancellationToken cancellationToken)
        => [.. (await session.QueryAsync(
                "SELECT CASE WHEN o.schema_id = SCHEMA_ID() THEN N'' ELSE SCHEMA_NAME(o.schema_id) END, o.name FROM sys.tables o WHERE "
                    + "o.is_ms_shipped = 0 AND o.is_external = 0 AND o.name NOT LIKE N'[_][_]E%' ORDER BY 1, 2",
                [], cancellationToken).ConfigureAwait(false))
            .Select(r => ((string)r[0]!, (string)r[1]!))];

    /// <summary>Gets the statement that lists the checks of a table.</summary>
    public const string ListChecks =
        """
        SELECT c.name, c.definition, CASE WHEN c.is_disabled = 0 AND c.is_not_trusted = 0 THEN 1 ELSE 0 END
        FROM sys.check_constraints c WHERE c.parent_object_id = OBJECT_ID(@p0)
        """;

    /// <summary>Gets the statement that lists what reads a table.</summary>
    public const string ListReaders =
        """
        SELECT N'generated column', c.name, c.definition FROM sys.computed_columns c WHERE c.object_id = OBJECT_ID(@p0)
        UNION ALL
        SELECT CASE o.type WHEN 'V' THEN N'view' ELSE N'trigger' END, o.name, m.definition
        FROM sys.sql_modules m JOIN sys.objects o ON o.object_id = m.object_id
        WHERE o.type IN ('V', 'TR') AND m.definition IS NOT NULL AND (o.parent_object_id = OBJECT_ID(@p0)
            OR EXISTS (SELECT 1 FROM sys.sql_expression_dependencies d WHERE d.referencing_id = o.object_id AND d.referenced_id = OBJECT_ID(@p0)))
        ORDER BY 1, 2
        """;

    public override async ValueTask<List<TableSql>> ListChecksAsync(Session session, TableInfo table, CancellationToken cancellationToken)
        => [.. (await session.QueryAsync(ListChecks, [Table(table)], cancellationToken).ConfigureAwait(false))
            .Select(r => new TableSql("check", (string)r[0]!, (string)r[1]!, (int)r[2]! == 1))];

    public override async ValueTask<List<TableSql>> ListReadersAsync(Session session, TableInfo table, CancellationToken cancellationToken)
        => [.. (await session.QueryAsync(ListReaders, [Table(table)], cancellationToken).ConfigureAwait(false))
            .Select(r => new TableSql((string)r[0]!, (string)r[1]!, (string)r[2]!))];

    // The driver sends a 'DateTime' as 'datetime' by default, which is rounded to 1/300 of a second.
    public override DbParameter AddParameter(DbCommand command, string name, object? value)
    {
        var parameter = base.AddParameter(command, name, value);
        if (value is DateTime)
            parameter.DbType = System.Data.DbType.DateTime2;
        return parameter;
    }

    public override string KeyParameter(TableColumn key, string parameter) => ToKey(key, parameter);

    public override string Count(string what = "*") => $"COUNT_BIG({what})";

    // The column's own type: another one would keep the server from the index of the key table.
    public override string ScopeParameter(string parameter) => $"CAST({parameter} AS varchar(200))";

    public override string After(IReadOnlyList<TableColumn> key, string alias, string parameters) => Compare(key, alias, parameters, ">", ">");

    public override string UpTo(IReadOnlyList<TableColumn> key, string alias, string parameters) => Compare(key, alias, parameters, "<", "<=");

    public override string Page(string query, int skip, int take)
        => string.Create(CultureInfo.InvariantCulture, $"{query} OFFSET {skip} ROWS FETCH NEXT {take} ROWS ONLY");

    // Rows cannot be fetched without an order.
    public override string Sample(string query, int take) => Page($"{query} ORDER BY (SELECT NULL)", 0, take);

    public override string SelectValue(RowColumn column, string alias)
    {
        var name = base.SelectValue(column, alias);
        var isPlain = IsBytes(column) || (column.Form == StoredForm.Text && IsUnicode(column.StoreType) && column.StoreType != "ntext");
        return isPlain ? name : $"CONVERT(nvarchar(max), {name}{StyleOf(column.StoreType)})";
    }

    public override string Header(string column, StoredForm form)
        => form == StoredForm.Binary
            ? $"SUBSTRING({column}, 1, 5)"
            : $"(CASE WHEN {LooksLikeText(column)} THEN SUBSTRING({column}, {HeaderText.Start}, {HeaderText.Length}) ELSE '' END COLLATE Latin1_General_BIN2)";

    public override string LengthOf(string column, StoredForm form)
        => form == StoredForm.Binary ? $"DATALENGTH({column})" : $"(DATALENGTH(CONVERT(nvarchar(max), {column})) / 2)";

    public override string StartOf(string column, int characters) => $"LEFT(CAST({column} AS nvarchar(max)), {characters})";

    public override string ScanHint(TableInfo table) => table.IsMemoryOptimized ? "" : " WITH (READCOMMITTEDLOCK)";

    public override string Literal(ReadOnlySpan<byte> bytes) => $"0x{Convert.ToHexString(bytes)}";

    // Unlike LEFT, SUBSTRING takes a column of type 'text', too.
    public override string LooksLikeText(string column)
        => $"(SUBSTRING({column}, 1, {TextEnvelope.Prefix.Length}) COLLATE Latin1_General_BIN2 = '{TextEnvelope.Prefix}')";

    public override async ValueTask<int> WriteAsync(
        Session session, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows, bool compares, IReadOnlyList<Question> questions,
        CancellationToken cancellationToken)
    {
        await session.AskAsync(questions, cancellationToken).ConfigureAwait(false);
        var command = session.CreateCommand(UpdateStatement(table, columns, compares));
        await using (command.ConfigureAwait(false))
        {
            AddParameter(command, "@rows", ToJson(table, columns, rows));
            return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override async ValueTask<List<(int Place, object?[] Values)>> ReadBackAsync(
        Session session, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows, CancellationToken cancellationToken)
    {
        var command = session.CreateCommand(ReadBackStatement(table, columns));
        await using (command.ConfigureAwait(false))
        {
            AddParameter(command, "@rows", ToJson(table, [], rows));
            var read = new List<(int Place, object?[] Values)>(rows.Count);
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    read.Add((reader.GetInt32(0), [.. columns.Select((_, i) => reader.IsDBNull(i + 1) ? null : reader.GetValue(i + 1))]));
            }

            return read;
        }
    }

    /// <summary>Makes the statement that reads the rows of a batch again. It reads past the locks of others alone.</summary>
    public string ReadBackStatement(TableInfo table, IReadOnlyList<RowColumn> columns)
    {
        var values = string.Join(", ", columns.Select(c => SelectValue(c, "t")));
        var fields = string.Join(", ", KeyFields(table));
        return $"SELECT u.i, {values} FROM {Table(table)} AS t WITH (READCOMMITTEDLOCK, READPAST)"
            + $" JOIN OPENJSON(@rows) WITH (i int '$.i', {fields}) AS u ON {string.Join(" AND ", SameKey(table))}";
    }

    /// <summary>Makes the statement of a batch.</summary>
    // Where readers see versions of rows instead of waiting for locks, locks can be read past only with 'READCOMMITTEDLOCK'.
    public string UpdateStatement(TableInfo table, IReadOnlyList<RowColumn> columns, bool compares)
    {
        var fields = KeyFields(table).Concat(columns.SelectMany((c, i) => new[] { $"o{i} {TypeOf(c)} '$.o{i}'", $"n{i} {TypeOf(c)} "
            + $"'$.n{i}'" }));
        var where = SameKey(table);
        if (compares)
            where = where.Concat(columns.Select((c, i) => SameBytes(c, i)));
        return $"UPDATE t SET {SetClause(columns, Assigned)}"
            + $" FROM {Table(table)} AS t WITH (ROWLOCK, READPAST, READCOMMITTEDLOCK)"
            + $" JOIN OPENJSON(@rows) WITH ({string.Join(", ", fields)}) AS u ON {string.Join(" AND ", where)}";
    }

    // A text that is assigned, not converted, is refused if it is too long; a conversion would cut it off. An older type of time refuses
    // a text of more digits than it has; one that was rounded instead is found when the row is read back.
    private static string Assigned(RowColumn column, int i)
        => IsBytes(column) || column.Form == StoredForm.Text || HoldsText(column.StoreType) ? $"u.n{i}"
            : column.StoreType is "datetime" or "smalldatetime" ? $"CONVERT({column.StoreType}, CONVERT(datetime2(7), REPLACE(u.n{i}, ' "
                + $"', 'T'), 126))"
            : IsTime(column.StoreType) ? $"CONVERT({column.StoreType}, REPLACE(u.n{i}, ' ', 'T'), 126)"
            : $"CONVERT({column.StoreType}, u.n{i})";

    // A key travels in a type that takes the JSON's text as it is, and is converted to the column's own type, so that an index finds it.
    private static IEnumerable<string> KeyFields(TableInfo table)
        => table.Key.Select((k, i) => $"k{i} {(IsNarrow(k) ? "nvarchar(max)" : IsCoarse(k) ? "datetime2(7)" : k.StoreType)} '$.k{i}'");

    private IEnumerable<string> SameKey(TableInfo table)
        => table.Key.Select(
            (k, i) => $"t.{Quote(k.Name)} = {(IsNarrow(k) || IsCoarse(k) ? ToKey(k, $"u.k{i}") : $"u.k{i}{Collate(k)}")}");

    // Without its collation, a text would pass through the code page of the database.
    private static string ToKey(TableColumn key, string value) => $"CAST({value}{(IsNarrow(key) ? Collate(key) : "")} AS {key.StoreType})";

    private static string Collate(TableColumn key) => key.Collation is { } collation ? $" COLLATE {collation}" : "";

    private static bool IsCoarse(TableColumn column) => column.StoreType is "datetime" or "smalldatetime" or "date";

    private static bool IsNarrow(TableColumn column) => column.IsText && !IsUnicode(column.StoreType);

    public override string ClaimRange(string table)
        => $"SELECT TOP(1) [Number], [LowerKey], [UpperKey] FROM {table} WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)"
            + " WHERE [JobId] = @p0 AND [PassDone] < @p1 ORDER BY [Number]";

    public override IReadOnlyList<string> CreateJobTables(string? schema)
        => JobTables.Create(this, schema, "nvarchar", "nvarchar(max)", "bigint", "int", filter: $" WHERE {Quote("Active")} IS NOT NULL");

    public override string? Widen(TableInfo table, TableColumn column, int? length)
    {
        if (column.MaxLength is not { } has || has >= (length ?? int.MaxValue))
            return null;

        // What is not said is not kept, but for a default, which is a constraint of its own.
        var collate = column.Collation is { } collation ? $" COLLATE {collation}" : "";
        return $"ALTER TABLE {Table(table)} ALTER COLUMN {Quote(column.Name)} {WidenedType(column, length)}{collate}"
            + $"{(column.IsSparse ? " SPARSE" : "")} {(column.IsNullable ? "NULL" : "NOT NULL")}";
    }

    public override (string Index, string Type)? FindIndexInTheWay(TableColumn column, int? length)
        => column.Index is { } index && WidenedType(column, length) is var type && type.EndsWith("(max)", StringComparison.Ordinal)
            ? (index, type)
            : null;

    private static string WidenedType(TableColumn column, int? length)
    {
        var type = column.IsBinary ? "varbinary" : column.StoreType.StartsWith('n') ? "nvarchar" : "varchar";
        var fits = length <= (type == "nvarchar" ? 4000 : 8000);
        return fits ? string.Create(CultureInfo.InvariantCulture, $"{type}({length})") : $"{type}(max)";
    }

    protected override int MaxNameLength => 128;

    public override string AddColumn(TableInfo table, string column, StoredForm form, string plaintextType)
        => $"ALTER TABLE {Table(table)} ADD {Quote(column)} {NewTypeOf(form, plaintextType)} NULL {CheckOf(table, column, form)}".TrimEnd();

    // Every transaction that has written into a table holds an intent lock of it until its end, whatever the isolation. A statement that
    // gets a shared lock of the table has waited for all of them, also for those that are going to write into a range that a scan has
    // passed. Later writers queue behind that lock, so it is asked for in short attempts.
    public override async ValueTask WaitForWritersAsync(
        Session session, IReadOnlyList<TableInfo> tables, TimeProvider time, CancellationToken cancellationToken)
    {
        var since = time.GetTimestamp();
        var limit = LimitWaits(session, TimeSpan.FromSeconds(1));
        await session.ExecuteAsync($"{limit}; SET DEADLOCK_PRIORITY LOW", [], cancellationToken).ConfigureAwait(false);
        foreach (var table in tables.Where(t => !t.IsMemoryOptimized))
        {
            while (!await TryLockAsync(session, table, cancellationToken).ConfigureAwait(false))
            {
                if (time.GetElapsedTime(since) > WriterPatience)
                    throw new OperationRefusedException(RotationMessages.TransactionOpen());
                await Task.Delay(TimeSpan.FromSeconds(2), time, cancellationToken).ConfigureAwait(false);
            }
        }

        limit = LimitWaits(session, LockPatience);
        await session.ExecuteAsync($"{limit}; SET DEADLOCK_PRIORITY NORMAL", [], cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<bool> TryLockAsync(Session session, TableInfo table, CancellationToken cancellationToken)
    {
        try
        {
            await session.ScalarAsync(WaitStatement(table), [], cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DbException e) when (Outages.IsLockWait(e) || NumberOf(e) == 1205)
        {
            return false;
        }
    }

    /// <summary>Makes the statement that waits for the writers of a table, and holds its lock until its own end.</summary>
    public string WaitStatement(TableInfo table) => $"SELECT TOP (1) 1 FROM {Table(table)} WITH (TABLOCK, HOLDLOCK)";

    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(10);

    public override async ValueTask PrepareAsync(Session session, CancellationToken cancellationToken)
        => await session.ExecuteAsync(LimitWaits(session, LockPatience), [], cancellationToken).ConfigureAwait(false);

    // Shorter than the time that a command has, after which a lock could not be told from a slow statement.
    private static string LimitWaits(Session session, TimeSpan patience)
    {
        using var command = session.CreateCommand("");
        return string.Create(CultureInfo.InvariantCulture, $"SET LOCK_TIMEOUT {LimitOf(patience, command.CommandTimeout)}");
    }

    /// <summary>Gets how many milliseconds a command waits for a lock that may take so many seconds, or 0 for any time.</summary>
    public static int LimitOf(TimeSpan patience, int commandSeconds)
        => (int)(commandSeconds == 0 ? patience.TotalMilliseconds : Math.Min(patience.TotalMilliseconds, commandSeconds * 500d));

    public override bool IsDenied(DbException exception) => NumberOf(exception) is 229 or 230;

    /// <summary>Gets the statement that lists the histories of a table.</summary>
    // A server before 2022 does not have 'ledger_type' in 'sys.tables'; the name is then that of the outer query.
    public const string ListHistories =
        """
        SELECT CAST(x.temporal_type AS int), CAST((SELECT ledger_type FROM sys.tables AS y WHERE y.object_id = x.object_id) AS int),
            CAST(x.is_tracked_by_cdc AS int)
        FROM sys.tables AS x CROSS JOIN (SELECT CAST(0 AS int) AS ledger_type) AS older WHERE x.object_id = OBJECT_ID(@p0)
        """;

    public override async ValueTask<IReadOnlyList<TableHistory>> ListHistoriesAsync(
        Session session, TableInfo table, CancellationToken cancellationToken)
    {
        var rows = await session.QueryAsync(ListHistories, [Table(table)], cancellationToken).ConfigureAwait(false);
        return rows is [[var temporal, var ledger, var cdc]] ? HistoriesOf((int)temporal!, (int?)ledger ?? 0, (int?)cdc ?? 0) : [];
    }

    /// <summary>
    /// Reads what 'sys.tables' has: 'temporal_type' 2 and 4 are system-versioned, 'ledger_type' 2 is an updatable ledger, and 3 one that
    /// rows are only added to.
    /// </summary>
    public static IReadOnlyList<TableHistory> HistoriesOf(int temporal, int ledger, int cdc)
    {
        var histories = new List<TableHistory>();
        if (ledger is 2 or 3)
            histories.Add(TableHistory.Ledger);
        else if (temporal is 2 or 4)
            histories.Add(TableHistory.Temporal);
        if (cdc == 1)
            histories.Add(TableHistory.ChangeDataCapture);
        return histories;
    }

    // OPENJSON, by which rows are written, is not known below.
    private const int CompatibilityLevel = 130;

    public override async ValueTask<string?> FindFaultAsync(Session session, CancellationToken cancellationToken)
        => await session.ScalarAsync(ReadCompatibilityLevel, [], cancellationToken).ConfigureAwait(false) is int level
            && level < CompatibilityLevel
            ? RotationMessages.CompatibilityLevelTooLow(level, CompatibilityLevel)
            : null;

    /// <summary>Gets the query of the level by which the database reads T-SQL.</summary>
    public const string ReadCompatibilityLevel = "SELECT CAST(compatibility_level AS int) FROM sys.databases WHERE name = DB_NAME()";

    private static bool IsBytes(RowColumn column) => column.Form == StoredForm.Binary || (column.Form == StoredForm.Plain && column.PlaintextType == "bytes");

    private static bool IsUnicode(string type) => type.StartsWith('n') && HoldsText(type);

    private static bool IsTime(string type)
        => type.StartsWith("date", StringComparison.Ordinal) || type.StartsWith("time(", StringComparison.Ordinal) || type == "smalldatetime";

    private static bool HoldsText(string type) => type.Contains("char", StringComparison.Ordinal) || type.Contains("text", StringComparison.Ordinal);

    private static int? NumberOf(DbException exception) => exception.GetType().GetProperty("Number")?.GetValue(exception) as int?;

    // The client's own numbers: a connection that was cut, a timeout, a deadlock, a server that is busy or moves.
    public override bool IsTransient(DbException exception)
        => base.IsTransient(exception) || (NumberOf(exception) is { } number && IsTransientNumber(number));

    public static bool IsTransientNumber(int number)
        => number is -2 or -1 or 0 or 2 or 20 or 53 or 64 or 121 or 233 or 258 or 701 or 921 or 1105 or 1204 or 1205 or 1222 or 3960 or 4060 or 6005 or 9002 or 10053
                or 10054 or 10060 or 10061 or 10928 or 10929 or 11001 or 40197 or 40501 or 40613 or 42108 or 42109 or 49918 or 49919 or 49920;

    // Constraints, duplicates, lengths, conversions, and what a trigger throws.
    public override bool RefusesRow(DbException exception)
        => NumberOf(exception) is 220 or 232 or 241 or 242 or 244 or 245 or 248 or 295 or 511 or 515 or 547 or 2601 or 2627 or 2628 or 3609 or 3616 or 3930 or 3998 or 8114 or 8115 or 8134 or 8152 or 8169 or 1946
            or >= 50000;

    public override string CodeOf(DbException exception) => NumberOf(exception) is { } number ? string.Create(CultureInfo.InvariantCulture, $"SQL Server error {number}") : base.CodeOf(exception);

    // Not 'varchar', which would take the code page of the database.
    private static string TypeOf(RowColumn column) => IsBytes(column) ? "varbinary(max)" : "nvarchar(max)";

    private string SameBytes(RowColumn column, int i)
    {
        var stored = SelectValue(column, "t");
        var (left, right) = IsBytes(column) ? (stored, $"u.o{i}") : ($"CONVERT(varbinary(max), {stored})", $"CONVERT(varbinary(max), u.o{i})");
        return $"(({stored} IS NULL AND u.o{i} IS NULL) OR ({left} = {right} AND DATALENGTH({left}) = DATALENGTH({right})))";
    }

    // The text of a value as the column's type has it. The default styles lose two decimals of money, all but six digits of a float and
    // the seconds of a time, and take bytes for characters.
    private static string StyleOf(string storeType)
        => storeType switch
        {
            "money" or "smallmoney" => ", 2",
            "float" or "real" => ", 3",
            "image" or ['b', 'i', 'n', ..] or ['v', 'a', 'r', 'b', ..] => ", 1",
            _ when IsTime(storeType) => ", 126",
            _ => "",
        };

    private string Compare(IReadOnlyList<TableColumn> key, string alias, string parameters, string inner, string last)
    {
        var terms = key.Select(
            (k, i) =>
            {
                var equal = key.Take(i).Select((e, j) => $"{alias}.{Quote(e.Name)} = {KeyParameter(e, $"@{parameters}{j}")} AND ");
                return $"({string.Concat(equal)}{alias}.{Quote(k.Name)} {(i == key.Count - 1 ? last : inner)} {KeyParameter(k, $"@{parameters}{i}")})";
            });
        return $"({string.Join(" OR ", terms)})";
    }

    private static string ToJson(TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var (place, row) in rows.Index())
            {
                json.WriteStartObject();
                json.WriteNumber("i", place);
                for (var i = 0; i < table.Key.Count; i++)
                    Write(json, $"k{i}", row.Key[i]);
                for (var i = 0; i < columns.Count; i++)
                {
                    Write(json, $"o{i}", row.Old[i]);
                    Write(json, $"n{i}", row.New[i]);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static void Write(Utf8JsonWriter json, string name, object? value)
    {
        if (value is null)
            json.WriteNull(name);
        else if (value is byte[] bytes)
            json.WriteBase64String(name, bytes);
        else
            json.WriteString(name, value switch
            {
                bool flag => flag ? "1" : "0",
                DateTime time => time.ToString("yyyy-MM-ddTHH:mm:ss.fffffff", CultureInfo.InvariantCulture),
                IFormattable number => number.ToString(value is double or float ? "R" : value is DateTimeOffset ? "O" : null, CultureInfo.InvariantCulture),
                _ => (string)value,
            });
    }

    private static TableColumn Describe(object?[] c)
    {
        var (type, length, precision, scale) = ((string)c[1]!, (int)c[3]!, (int)c[4]!, (int)c[5]!);
        var wide = type is "nvarchar" or "nchar";

        // What 'Always Encrypted' encrypts can neither be looked into nor hold what EfEnvelope wrote.
        var isOpaque = (int)c[11]! != 0;
        var store = type switch
        {
            "nvarchar" or "nchar" or "varchar" or "char" or "varbinary" or "binary" => $"{type}({(length < 0 ? "max" : (wide ? length / 2 : length).ToString(CultureInfo.InvariantCulture))})",
            "decimal" or "numeric" => string.Create(CultureInfo.InvariantCulture, $"{type}({precision},{scale})"),
            "datetime2" or "datetimeoffset" or "time" => string.Create(CultureInfo.InvariantCulture, $"{type}({scale})"),
            _ => type,
        };
        return new TableColumn(
            (string)c[0]!, store, (int)c[2]! == 1, !isOpaque && type is ("varbinary" or "binary" or "image"), !isOpaque && HoldsText(type),
            length > 0 && store.Contains('(', StringComparison.Ordinal) ? wide ? length / 2 : length : null, (int)c[6]!, (int)c[7]! == 1, (int)c[8]! == 1, IsPadded: type is "nchar" or "char" or "binary",
            Collation: (string?)c[9], IsSparse: (int)c[12]! == 1, Index: (string?)c[13]);
    }

    // A whole number out of a column of floating point comes as '4.2000000000000000e+001'.
    public override byte[] ParsePlain(string plaintextType, object value)
        => plaintextType.Contains("int", StringComparison.Ordinal) && value is string text && text.Contains('e', StringComparison.Ordinal)
            && decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                ? base.ParsePlain(plaintextType, number.ToString("0.###############", CultureInfo.InvariantCulture))
                : base.ParsePlain(plaintextType, value);

    public override string NewTypeOf(StoredForm form, string plaintextType)
        => form switch
        {
            StoredForm.Binary => "varbinary(max)",
            StoredForm.Text => "nvarchar(max)",
            _ => plaintextType switch
            {
                "bytes" => "varbinary(max)",
                "bool" => "bit",
                "uint8" => "tinyint",
                "int8" or "int16" => "smallint",
                "uint16" or "int32" => "int",
                "uint32" or "int64" => "bigint",
                "uint64" => "decimal(20,0)",
                "decimal" => "decimal(38,10)",
                "float32" => "real",
                "float64" => "float",
                "guid" => "uniqueidentifier",
                "date" => "date",
                "time" => "time(7)",
                "datetime" => "datetime2(7)",
                "datetimeoffset" => "datetimeoffset(7)",
                _ => "nvarchar(max)",
            },
        };
}
