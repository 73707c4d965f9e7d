using System.Data.Common;
using System.Globalization;
using System.Text;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Metadata;

namespace EfEnvelope.Rotation.Sql;

/// <summary>SQLite: one writer, any value in any column, and an unfair lock, so batches are small and rest between them.</summary>
internal sealed class SqliteDialect(Func<string, string> quote) : Dialect(quote)
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public override string Provider => "Microsoft.EntityFrameworkCore.Sqlite";

    public override bool HasRowLocks => false;

    public override int DefaultBatchSize => 200;

    // It has no schemas; EF Core leaves out a model's, too.
    public override string Table(string? schema, string name) => Quote(name);

    // What a job overwrites is plaintext at times: it is zeroed in the file instead of left in free pages.
    public override async ValueTask PrepareAsync(Session session, CancellationToken cancellationToken)
        => await session.ScalarAsync("PRAGMA secure_delete = ON", [], cancellationToken).ConfigureAwait(false);

    public override async ValueTask<TableInfo?> FindTableAsync(Session session, string schema, string name, CancellationToken cancellationToken)
    {
        if (await session.ScalarAsync("SELECT name FROM sqlite_master WHERE type = 'table' AND name = @p0", [name], cancellationToken).ConfigureAwait(false) is null)
            return null;
        var indexed = await session.QueryAsync(
            "SELECT c.name, MIN(c.seqno), MAX(i.\"unique\" AND i.origin <> 'pk') FROM pragma_index_list(@p0) AS i, pragma_index_info(i.name) AS c GROUP BY c.name", [name], cancellationToken).ConfigureAwait(false);
        var columns = await session.QueryAsync("SELECT name, type, \"notnull\", pk FROM pragma_table_info(@p0)", [name], cancellationToken).ConfigureAwait(false);
        return new TableInfo(
            schema, name,
            [.. columns.Select(c => Describe((string)c[0]!, (string)c[1]!, (long)c[2]! == 0, (int)(long)c[3]!, indexed.Find(i => (string?)i[0] == (string)c[0]!)))]);
    }

    public override async ValueTask<List<(string Schema, string Name)>> ListTablesAsync(Session session, CancellationToken cancellationToken)
        => [.. (await session.QueryAsync(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_\\_E%' ESCAPE '\\' ORDER BY name",
                [], cancellationToken).ConfigureAwait(false))
            .Select(r => ("", (string)r[0]!))];

    public override async ValueTask<List<TableSql>> ListChecksAsync(Session session, TableInfo table, CancellationToken cancellationToken)
        => [.. (await ReadStatementAsync(session, table, cancellationToken).ConfigureAwait(false)).FindParenthesized("CHECK").Select(c => new TableSql("check", table.Name, c))];

    public override async ValueTask<List<TableSql>> ListReadersAsync(Session session, TableInfo table, CancellationToken cancellationToken)
        =>
        [
            .. (await ReadStatementAsync(session, table, cancellationToken).ConfigureAwait(false)).FindParenthesized("AS").Select(c => new TableSql("generated column", $"AS ({c})", c)),
            .. (await session.QueryAsync("SELECT type, name, sql FROM sqlite_master WHERE type IN ('view', 'trigger') ORDER BY name", [], cancellationToken).ConfigureAwait(false))
                .Select(r => new TableSql((string)r[0]!, (string)r[1]!, (string)r[2]!)).Where(r => new SqlText(r.Sql, Provider).Names(table.Name)),
        ];

    private async ValueTask<SqlText> ReadStatementAsync(Session session, TableInfo table, CancellationToken cancellationToken)
        => new(
            (string?)await session.ScalarAsync("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = @p0", [table.Name], cancellationToken).ConfigureAwait(false) ?? "",
            Provider);

    public override string Header(string column, StoredForm form)
        => form == StoredForm.Binary ? $"substr({column}, 1, 5)" : $"CASE WHEN {LooksLikeText(column)} THEN substr({column}, {HeaderText.Start}, {HeaderText.Length}) ELSE '' END";

    public override string Literal(ReadOnlySpan<byte> bytes) => $"x'{Convert.ToHexString(bytes)}'";

    public override string LooksLikeText(string column) => $"(typeof({column}) = 'text' AND substr({column}, 1, {TextEnvelope.Prefix.Length}) = '{TextEnvelope.Prefix}')";

    // One prepared statement; what is compared is compared byte by byte, whatever the column's collation.
    public override async ValueTask<int> WriteAsync(
        Session session, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows, bool compares, IReadOnlyList<Question> questions,
        CancellationToken cancellationToken)
    {
        await session.AskAsync(questions, cancellationToken).ConfigureAwait(false);
        var where = table.Key.Select((k, i) => $"{Quote(k.Name)} = @k{i}");
        if (compares)
            where = where.Concat(columns.Select((c, i) => $"({Quote(c.Name)} COLLATE BINARY) IS @o{i} AND typeof({Quote(c.Name)}) = typeof(@o{i})"));

        // A constraint may be declared to delete the other row, or to skip this one: the statement overrides that.
        var command = session.CreateCommand(
            $"UPDATE OR ABORT {Table(table)} SET {SetClause(columns, (_, i) => $"@n{i}")} WHERE {string.Join(" AND ", where)}");
        await using (command.ConfigureAwait(false))
        {
            var keys = table.Key.Select((_, i) => AddParameter(command, $"@k{i}", null)).ToList();
            var olds = columns.Select((_, i) => compares ? AddParameter(command, $"@o{i}", null) : null).ToList();
            var news = columns.Select((c, i) => c.IsWritten ? AddParameter(command, $"@n{i}", null) : null).ToList();
            var written = 0;
            foreach (var row in rows)
            {
                for (var i = 0; i < keys.Count; i++)
                    keys[i].Value = row.Key[i] ?? DBNull.Value;
                for (var i = 0; i < columns.Count; i++)
                {
                    if (olds[i] is { } old)
                        old.Value = row.Old[i] ?? DBNull.Value;
                    if (news[i] is { } value)
                        value.Value = row.New[i] ?? DBNull.Value;
                }

                written += await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }

            return written;
        }
    }

    public override async ValueTask<List<(int Place, object?[] Values)>> ReadBackAsync(
        Session session, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows, CancellationToken cancellationToken)
    {
        var values = string.Join(", ", columns.Select(c => SelectValue(c, "t")));
        var where = string.Join(" AND ", table.Key.Select((k, i) => $"{Quote(k.Name)} = @k{i}"));
        var command = session.CreateCommand($"SELECT {values} FROM {Table(table)} AS t WHERE {where}");
        await using (command.ConfigureAwait(false))
        {
            var keys = table.Key.Select((_, i) => AddParameter(command, $"@k{i}", null)).ToList();
            var read = new List<(int Place, object?[] Values)>(rows.Count);
            for (var place = 0; place < rows.Count; place++)
            {
                for (var i = 0; i < keys.Count; i++)
                    keys[i].Value = rows[place].Key[i] ?? DBNull.Value;
                var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    if (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                        read.Add((place, [.. columns.Select((c, i) => Decode(c, reader.IsDBNull(i) ? null : reader.GetValue(i)))]));
                }
            }

            return read;
        }
    }

    public override string ClaimRange(string table)
        => $"SELECT \"Number\", \"LowerKey\", \"UpperKey\" FROM {table} WHERE \"JobId\" = @p0 AND \"PassDone\" < @p1 ORDER BY \"Number\" LIMIT 1";

    public override IReadOnlyList<string> CreateJobTables(string? schema) => JobTables.Create(this, schema, "TEXT", "TEXT", "INTEGER", "INTEGER", filter: "");

    // SQLite keeps what it is given, however long.
    public override string? Widen(TableInfo table, TableColumn column, int? length) => null;

    public override string AddColumn(TableInfo table, string column, StoredForm form, string plaintextType)
        => $"ALTER TABLE {Table(table)} ADD COLUMN {Quote(column)} {NewTypeOf(form, plaintextType)} NULL {CheckOf(table, column, form)}".TrimEnd();

    // Whoever holds the write lock is the one writer; behind it, nobody has written anything that is not to be seen.
    public override async ValueTask WaitForWritersAsync(
        Session session, IReadOnlyList<TableInfo> tables, TimeProvider time, CancellationToken cancellationToken)
    {
        var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
            await transaction.RollbackAsync(cancellationToken).ConfigureAwait(false);
    }

    public override bool IsTransient(DbException exception)
        => new[] { "SQLite Error 5:", "SQLite Error 6:", "SQLite Error 10:", "SQLite Error 13:" }.Any(code => exception.Message.StartsWith(code, StringComparison.Ordinal));

    // "SQLite Error 19: 'UNIQUE constraint failed: …": the names in it are the schema's.
    public override string CodeOf(DbException exception)
        => exception.Message.StartsWith("SQLite Error 19:", StringComparison.Ordinal) && exception.Message.Contains("constraint failed", StringComparison.Ordinal)
            ? exception.Message
            : exception.Message.Split(':')[0];

    // Beyond the constraints: a value that is too long, or not of a strict table's type.
    public override bool RefusesRow(DbException exception)
        => new[] { "SQLite Error 19:", "SQLite Error 18:", "SQLite Error 20:" }.Any(code => exception.Message.StartsWith(code, StringComparison.Ordinal));

    // Text is read as bytes and decoded here: the driver ends it at a NUL, and mends what is no UTF-8, so that no row would ever hold what was read.
    public override string SelectValue(RowColumn column, string alias)
    {
        var name = base.SelectValue(column, alias);
        return IsDecoded(column) ? $"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) WHEN 'blob' THEN x'FF' ELSE {name} END" : name;
    }

    public override object? Decode(RowColumn column, object? value)
    {
        if (!IsDecoded(column) || value is not byte[] bytes)
            return value;
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return bytes;
        }
    }

    private static bool IsDecoded(RowColumn column) => column.Form == StoredForm.Text || (column.Form == StoredForm.Plain && column.PlaintextType is "string" or "char");

    // As EF Core's provider stores it, so that equal values are equal in queries, too. A number with no sign above 2^63 is stored as the same 64 bits.
    public override object FormatPlain(string plaintextType, byte[] plaintext)
        => plaintextType switch
        {
            "bool" => PlainText.Read<bool>(plaintext) ? 1L : 0L,
            "uint64" => unchecked((long)PlainText.Read<ulong>(plaintext)),
            "int8" or "uint8" or "int16" or "uint16" or "int32" or "uint32" or "int64"
                => long.Parse(PlainText.Format(plaintextType, plaintext), CultureInfo.InvariantCulture),
            "float32" => (double)PlainText.Read<float>(plaintext),
            "float64" => PlainText.Read<double>(plaintext),
            "decimal" => PlainText.Read<decimal>(plaintext).ToString("0.0###########################", CultureInfo.InvariantCulture),
            "time" when PlainText.Read<TimeOnly>(plaintext) is var time
                => time.ToString(time.Ticks % TimeSpan.TicksPerSecond == 0 ? "HH:mm:ss" : "HH:mm:ss.fffffff", CultureInfo.InvariantCulture),
            _ => base.FormatPlain(plaintextType, plaintext),
        };

    public override byte[] ParsePlain(string plaintextType, object value)
        => plaintextType == "uint64" && value is long number ? PlainText.GetBytes(unchecked((ulong)number)) : base.ParsePlain(plaintextType, value);

    private static TableColumn Describe(string name, string type, bool isNullable, int key, object?[]? index)
    {
        var upper = type.ToUpperInvariant();
        var isText = upper.Contains("CHAR", StringComparison.Ordinal) || upper.Contains("CLOB", StringComparison.Ordinal) || upper.Contains("TEXT", StringComparison.Ordinal);
        return new TableColumn(
            name, type, isNullable && (key == 0 || !upper.Equals("INTEGER", StringComparison.Ordinal)), !isText && (type.Length == 0 || upper.Contains("BLOB", StringComparison.Ordinal)), isText, null, key,
            index is [_, 0L, _] || key == 1, index is [_, _, 1L]);
    }

    public override string NewTypeOf(StoredForm form, string plaintextType)
        => (form, plaintextType) switch
        {
            (StoredForm.Binary, _) or (StoredForm.Plain, "bytes") => "BLOB",
            (StoredForm.Plain, "bool" or "int8" or "uint8" or "int16" or "uint16" or "int32" or "uint32" or "int64" or "uint64") => "INTEGER",
            (StoredForm.Plain, "float32" or "float64") => "REAL",
            _ => "TEXT",
        };
}
