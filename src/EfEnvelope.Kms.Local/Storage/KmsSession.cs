using System.Data;
using System.Data.Common;
using System.Globalization;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>A condition of a query: a column, an operator and a value; with <c>IN</c>, a list of texts.</summary>
internal readonly record struct Where(string Column, string Operator, object Value)
{
    public static Where Is(string column, object value) => new(column, "=", value);
}

/// <summary>A query of one table: see <see cref="KmsSession.ListAsync{T}" />.</summary>
internal readonly record struct Query(KmsTable Table, Where[] Where, string? OrderBy = null, int? Limit = null)
{
    /// <summary>Makes what <see cref="KmsSession.FindAsync{T}" /> asks for.</summary>
    public static Query One(KmsTable table, params Where[] where) => new(table, where, Limit: 2);
}

/// <summary>
/// One connection to the tables of the KMS, and the rows that were read over it. Its commands are plain: an application opens its KMS
/// before its first
/// write, and Entity Framework would have to compile another model and a dozen queries first, which takes longer than all the rest.
/// </summary>
/// <param name="pool">Where its connection is from, which opens at the first command.</param>
/// <param name="dialect">The SQL of the store.</param>
/// <param name="fresh">Whether its connection is a new one.</param>
/// <param name="tracks">Whether <see cref="SaveAsync" /> writes what is changed in the rows that are read.</param>
internal sealed class KmsSession(ConnectionPool pool, StoreDialect dialect, bool tracks, bool fresh) : IAsyncDisposable
{
    // SQL Server takes 2,100 parameters in a command, and 1,000 rows.
    private const int MaximumParameters = 2000;

    private readonly StoreConnection _connection = pool.Take(fresh);
    private readonly Dictionary<(KmsTable Table, string Key), Tracked> _tracked = [];

    // What was read ahead, by the text and the values of its query.
    private readonly Dictionary<string, List<object?[]>> _ahead = new(StringComparer.Ordinal);

    // Rows that were saved, and whether they were removed. The audit trail proves itself.
    private readonly Dictionary<object, bool> _written = new(ReferenceEqualityComparer.Instance);

    private bool _hasTransacted;
    private bool _isSound = true;

    public StoreDialect Dialect => dialect;

    /// <summary>Gets whether anything but events of the audit trail was saved.</summary>
    public bool HasWritten => _written.Count > 0;

    /// <summary>Runs work in one transaction; again where the provider's execution strategy says so.</summary>
    public static async Task<T> TransactAsync<T>(
        Func<KmsSession> open, Func<KmsSession, CancellationToken, Task<T>> work, IsolationLevel isolation, CancellationToken cancellationToken)
    {
        var first = open();
        await using (first.ConfigureAwait(false))
            return await first._connection.RetryAsync(RunAsync, cancellationToken).ConfigureAwait(false);

        async Task<T> RunAsync(CancellationToken token)
        {
            if (!first._hasTransacted)
                return await first.TransactAsync(work, isolation, token).ConfigureAwait(false);
            var session = open();
            await using (session.ConfigureAwait(false))
                return await session.TransactAsync(work, isolation, token).ConfigureAwait(false);
        }
    }

    /// <summary>Reads the rows that meet all conditions.</summary>
    /// <param name="table">The table.</param>
    /// <param name="where">The conditions.</param>
    /// <param name="orderBy">The columns by which the rows are ordered, or <see langword="null" /> for any order.</param>
    /// <param name="limit">How many rows are read at the most.</param>
    /// <param name="fresh">Whether rows are read as they are stored now, apart from those that are tracked.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<List<T>> ListAsync<T>(
        KmsTable<T> table, Where[] where, string? orderBy = null, int? limit = null, bool fresh = false, CancellationToken cancellationToken = default)
        where T : class
    {
        var parameters = new List<(KmsColumn Column, object? Value)>();
        var text = Select(table, where, orderBy, limit, parameters);
        var rows = _ahead.Remove(Named(text, parameters), out var known)
            ? known
            : await QueryAsync(text, parameters, r => Read(table, r), cancellationToken).ConfigureAwait(false);
        return rows.ConvertAll(values => (T)(tracks && !fresh ? Track(table, values) : table.Read(new KmsValues(values))));
    }

    /// <summary>
    /// Reads in one command what the next calls of <see cref="ListAsync{T}" /> and <see cref="FindAsync{T}" /> with the same conditions
    /// will
    /// ask for; each result serves one of them. Over a network, each command costs more than the store has to do for it.
    /// </summary>
    /// <param name="queries">What is asked.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <param name="first">A statement without a result that is run before them.</param>
    public async Task ReadAheadAsync(IReadOnlyList<Query> queries, CancellationToken cancellationToken, string? first = null)
    {
        var parameters = new List<(KmsColumn Column, object? Value)>();
        var selects = queries.Select(q => Select(q.Table, q.Where, q.OrderBy, q.Limit, parameters));
        var text = string.Join("; ", first is null ? selects : selects.Prepend(first));
        var results = await RunAsync(
            async token =>
            {
                var results = new List<List<object?[]>>();
                var reader = await CommandOf(text, parameters).ExecuteReaderAsync(token).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    foreach (var query in queries)
                    {
                        if (results.Count > 0)
                            await reader.NextResultAsync(token).ConfigureAwait(false);
                        var rows = new List<object?[]>();
                        while (await reader.ReadAsync(token).ConfigureAwait(false))
                            rows.Add(Read(query.Table, reader));
                        results.Add(rows);
                    }

                    return results;
                }
            },
            cancellationToken).ConfigureAwait(false);
        foreach (var (query, rows) in queries.Zip(results))
        {
            var values = new List<(KmsColumn Column, object? Value)>();
            _ahead[Named(Select(query.Table, query.Where, query.OrderBy, query.Limit, values), values)] = rows;
        }
    }

    /// <summary>Reads the values of all rows of a table.</summary>
    public Task<List<object?[]>> ListAsync(KmsTable table, CancellationToken cancellationToken)
        => QueryAsync($"SELECT {ColumnsOf(table)} FROM {Quote(table.Name)}", [], r => Read(table, r), cancellationToken);

    /// <summary>Reads the one row that meets all conditions, if there is one.</summary>
    public async Task<T?> FindAsync<T>(KmsTable<T> table, Where[] where, bool fresh = false, CancellationToken cancellationToken = default)
        where T : class
        => await ListAsync(table, where, limit: 2, fresh: fresh, cancellationToken: cancellationToken).ConfigureAwait(false) switch
        {
            [] => null,
            [var row] => row,
            _ => throw new InvalidOperationException($"Table '{table.Name}' has more than one row of a kind."),
        };

    /// <summary>Reads the one row of a table.</summary>
    public async Task<T> GetOnlyAsync<T>(KmsTable<T> table, CancellationToken cancellationToken)
        where T : class
        => await FindAsync(table, [], cancellationToken: cancellationToken).ConfigureAwait(false)
            ?? throw new InvalidOperationException($"Table '{table.Name}' has no row.");

    /// <summary>Reads one whole number from the rows that meet all conditions, such as <c>MIN(sequence)</c>.</summary>
    public async Task<long?> NumberAsync(KmsTable table, string what, Where[] where, CancellationToken cancellationToken)
    {
        var parameters = new List<(KmsColumn Column, object? Value)>();
        var rows = await QueryAsync(
            $"SELECT {what} FROM {Quote(table.Name)}{Conditions(table, where, parameters)}",
            parameters,
            static r => r.IsDBNull(0) ? (long?)null : r.GetInt64(0),
            cancellationToken).ConfigureAwait(false);
        return rows is [var number, ..] ? number : null;
    }

    /// <summary>Reads all rows of a query of text.</summary>
    public Task<List<T>> QueryAsync<T>(string text, Func<DbDataReader, T> read, CancellationToken cancellationToken)
        => QueryAsync(text, [], read, cancellationToken);

    /// <summary>Runs a statement.</summary>
    public async Task ExecuteAsync(string text, CancellationToken cancellationToken)
        => await RunAsync(token => ExecuteOnceAsync(text, [], token), cancellationToken).ConfigureAwait(false);

    public void Add(object row)
    {
        var table = KmsTables.Of(row);
        var (values, key) = (table.Write(row), (table, table.KeyOf(table.Write(row))));

        // What takes the place of a row that was removed is a change of it.
        _tracked[key] = _tracked.TryGetValue(key, out var former) && former.State == RowState.Removed
            ? new Tracked(table, row, former.Stored)
            : new Tracked(table, row, values) { State = RowState.Added };
    }

    public void AddRange(IEnumerable<object> rows)
    {
        foreach (var row in rows)
            Add(row);
    }

    public void Remove(object row)
    {
        var tracked = Track(row);
        if (tracked.State == RowState.Added)
            _tracked.Remove((tracked.Table, tracked.Table.KeyOf(tracked.Stored)));
        else
            tracked.State = RowState.Removed;
    }

    public void RemoveRange(IEnumerable<object> rows)
    {
        foreach (var row in rows)
            Remove(row);
    }

    /// <summary>Lets a row be written only if its revision is this one, whatever was read.</summary>
    public void Expect(object row, long revision)
    {
        var tracked = Track(row);
        tracked.Stored[tracked.Table.Revision!.Value] = revision;
    }

    /// <summary>Writes what was added, removed and changed since the last time, within the transaction that is open.</summary>
    /// <exception cref="DbUpdateConcurrencyException">A row is not as it was read.</exception>
    public async Task SaveAsync(CancellationToken cancellationToken)
    {
        var pending = _tracked.Values.ToLookup(t => t.Table);
        var batch = new Batch();
        foreach (var table in KmsTables.All.Reverse())
        {
            foreach (var removed in pending[table].Where(t => t.State == RowState.Removed))
                await AddAsync(batch, table.KeyLength + 1, () => Delete(batch, removed), cancellationToken).ConfigureAwait(false);
        }

        foreach (var table in KmsTables.All)
        {
            foreach (var added in pending[table].Where(t => t.State == RowState.Added).Chunk(MaximumParameters / table.Columns.Count))
            {
                // Alone, because whether such a row is kept is asked later, in words of its own.
                if (!table.IsTrail)
                    await RunAsync(batch, cancellationToken).ConfigureAwait(false);
                await AddAsync(batch, added.Length * table.Columns.Count, () => Insert(batch, table, added), cancellationToken)
                    .ConfigureAwait(false);
                if (!table.IsTrail)
                    await RunAsync(batch, cancellationToken).ConfigureAwait(false);
            }

            foreach (var kept in pending[table].Where(t => t.State == RowState.Stored))
            {
                await AddAsync(batch, table.Columns.Count + table.KeyLength + 1, () => Update(batch, kept), cancellationToken)
                    .ConfigureAwait(false);
            }
        }

        await RunAsync(batch, cancellationToken).ConfigureAwait(false);
        foreach (var (key, tracked) in _tracked)
        {
            if (tracked.State == RowState.Removed)
                _tracked.Remove(key);
            tracked.State = RowState.Stored;
        }
    }

    /// <summary>Reads all that was saved again and returns the table whose row is not as it was saved; nothing when all are.</summary>
    public async Task<string?> FindUndoneAsync(CancellationToken cancellationToken)
    {
        foreach (var (row, removed) in _written)
        {
            var table = KmsTables.Of(row);
            var values = table.Write(row);
            var stored = await QueryAsync(
                $"SELECT {ColumnsOf(table)} FROM {Quote(table.Name)} WHERE {IsKey(table, 0)}",
                Pairs(table.Key, values),
                r => Read(table, r),
                cancellationToken).ConfigureAwait(false);
            if (removed ? stored.Count > 0 : stored is not [var found] || !found.SequenceEqual(values, ValueComparer.Instance))
                return table.Name;
        }

        return null;
    }

    // What changed keys or rules is in the file itself when its caller hears of it, not only in the log beside it.
    public ValueTask DisposeAsync() => pool.ReturnAsync(_connection, _isSound, HasWritten);

    public string TypeOf(KmsColumn column) => _connection.TypeOf(column);

    public string LiteralOf(KmsColumn column, object value) => _connection.LiteralOf(column, value);

    public string Quote(string name) => _connection.Quote(name);

    private async Task<T> TransactAsync<T>(Func<KmsSession, CancellationToken, Task<T>> work, IsolationLevel isolation, CancellationToken cancellationToken)
    {
        (_hasTransacted, _isSound) = (true, false);
        var transaction = await _connection.BeginAsync(isolation, cancellationToken).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
        {
            var result = await work(this, cancellationToken).ConfigureAwait(false);
            await _connection.CommitAsync(cancellationToken).ConfigureAwait(false);
            _isSound = true;
            return result;
        }
    }

    private static string Named(string text, IEnumerable<(KmsColumn Column, object? Value)> parameters)
        => string.Join('\0', parameters.Select(p => Convert.ToString(p.Value, CultureInfo.InvariantCulture)).Prepend(text));

    private string Select(KmsTable table, Where[] where, string? orderBy, int? limit, List<(KmsColumn Column, object? Value)> parameters)
        => $"SELECT {(limit is { } top && dialect.LimitsByTop ? $"TOP({top}) " : "")}{ColumnsOf(table)} FROM {Quote(table.Name)}"
            + Conditions(table, where, parameters)
            + (orderBy is null ? "" : $" ORDER BY {orderBy}")
            + (limit is { } last && !dialect.LimitsByTop ? $" LIMIT {last}" : "");

    private string ColumnsOf(KmsTable table) => string.Join(", ", table.Columns.Select(c => Quote(c.Name)));

    private static string Parameter(int index) => $"@p{index}";

    private string IsKey(KmsTable table, int first) => string.Join(" AND ", table.Key.Select((c, i) => $"{Quote(c.Name)} = {Parameter(first + i)}"));

    private string Conditions(KmsTable table, Where[] where, List<(KmsColumn Column, object? Value)> parameters)
    {
        if (where.Length == 0)
            return "";
        var parts = new List<string>();
        foreach (var (name, @operator, value) in where)
        {
            var column = table.Columns.Single(c => c.Name == name);
            if (value is IReadOnlyList<string> { Count: 0 })
            {
                parts.Add("1 = 0");
                continue;
            }

            object[] values = value is IReadOnlyList<string> texts ? [.. texts] : [value];
            var names = values.Select((_, i) => Parameter(parameters.Count + i)).ToList();
            parts.Add($"{Quote(name)} {@operator} {(value is IReadOnlyList<string> ? $"({string.Join(", ", names)})" : names[0])}");
            parameters.AddRange(values.Select(v => (column, (object?)v)));
        }

        return $" WHERE {string.Join(" AND ", parts)}";
    }

    private object Track(KmsTable table, object?[] values)
    {
        var key = (table, table.KeyOf(values));
        if (!_tracked.TryGetValue(key, out var tracked))
            _tracked[key] = tracked = new Tracked(table, table.Read(new KmsValues(values)), values);
        return tracked.Row;
    }

    private Tracked Track(object row)
    {
        var table = KmsTables.Of(row);
        var values = table.Write(row);
        var key = (table, table.KeyOf(values));
        return _tracked.TryGetValue(key, out var tracked) && ReferenceEquals(tracked.Row, row)
            ? tracked
            : throw new InvalidOperationException($"A row of table '{table.Name}' is changed that was not read to be changed.");
    }

    private async Task AddAsync(Batch batch, int parameters, Action add, CancellationToken cancellationToken)
    {
        if (batch.Values.Count + parameters > MaximumParameters)
            await RunAsync(batch, cancellationToken).ConfigureAwait(false);
        add();
    }

    private async Task RunAsync(Batch batch, CancellationToken cancellationToken)
    {
        if (batch.Texts.Count == 0)
            return;
        var changed = await ExecuteOnceAsync(string.Join("; ", batch.Texts), batch.Values, cancellationToken).ConfigureAwait(false);
        if (batch.Rows > 0 && changed != batch.Rows)
            throw new DbUpdateConcurrencyException();
        batch.Clear();
    }

    private void Insert(Batch batch, KmsTable table, Tracked[] added)
    {
        var lists = new List<string>();
        foreach (var row in added)
        {
            row.Stored = table.Write(row.Row);
            lists.Add($"({string.Join(", ", batch.Add(Pairs(table.Columns, row.Stored)))})");
            Note(row, removed: false);
        }

        batch.Add(
            $"INSERT INTO {Quote(table.Name)} ({ColumnsOf(table)}) VALUES {string.Join(", ", lists)}", table.IsTrail ? added.Length : 0);
    }

    private void Update(Batch batch, Tracked row)
    {
        var (table, values) = (row.Table, row.Table.Write(row.Row));
        var changed = Enumerable.Range(0, values.Length).Where(i => !ValueComparer.Instance.Equals(values[i], row.Stored[i])).ToList();
        if (changed.Count == 0)
            return;
        var names = batch.Add(changed.ConvertAll(c => (table.Columns[c], values[c])));
        var set = changed.Select((c, i) => $"{Quote(table.Columns[c].Name)} = {names[i]}");
        batch.Add($"UPDATE {Quote(table.Name)} SET {string.Join(", ", set)}{IsAsRead(batch, row)}", rows: 1);
        row.Stored = values;
        Note(row, removed: false);
    }

    private void Delete(Batch batch, Tracked row)
    {
        batch.Add($"DELETE FROM {Quote(row.Table.Name)}{IsAsRead(batch, row)}", rows: 1);
        Note(row, removed: true);
    }

    private string IsAsRead(Batch batch, Tracked row)
    {
        var table = row.Table;
        var text = $" WHERE {IsKey(table, batch.Values.Count)}";
        batch.Add(Pairs(table.Key, row.Stored));
        return table.Revision is not { } revision
            ? text
            : $"{text} AND {Quote(table.Columns[revision].Name)} = {batch.Add([(table.Columns[revision], row.Stored[revision])])[0]}";
    }

    private void Note(Tracked row, bool removed)
    {
        if (!row.Table.IsTrail)
            _written[row.Row] = removed;
    }

    private Task<List<T>> QueryAsync<T>(
        string text, IReadOnlyList<(KmsColumn Column, object? Value)> parameters, Func<DbDataReader, T> read, CancellationToken cancellationToken)
        => RunAsync(
            async token =>
            {
                var reader = await CommandOf(text, parameters).ExecuteReaderAsync(token).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    var rows = new List<T>();
                    while (await reader.ReadAsync(token).ConfigureAwait(false))
                        rows.Add(read(reader));
                    return rows;
                }
            },
            cancellationToken);

    // Outside of a transaction, the provider's execution strategy may try once more.
    private async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> run, CancellationToken cancellationToken)
    {
        async Task<T> OpenAndRunAsync(CancellationToken token)
        {
            if (_connection.Connection.State != ConnectionState.Open)
                await _connection.OpenAsync(token).ConfigureAwait(false);
            return await run(token).ConfigureAwait(false);
        }

        if (_connection.Transaction is not null)
            return await run(cancellationToken).ConfigureAwait(false);
        _isSound = false;
        var result = await _connection.RetryAsync(OpenAndRunAsync, cancellationToken).ConfigureAwait(false);
        _isSound = true;
        return result;
    }

    private Task<int> ExecuteOnceAsync(
        string text, IReadOnlyList<(KmsColumn Column, object? Value)> parameters, CancellationToken cancellationToken)
        => CommandOf(text, parameters).ExecuteNonQueryAsync(cancellationToken);

    private DbCommand CommandOf(string text, IReadOnlyList<(KmsColumn Column, object? Value)> parameters)
    {
        var command = _connection.Command(text);
        for (var i = 0; i < parameters.Count; i++)
        {
            var (column, value) = parameters[i];
            command.Parameters.Add(_connection.NewParameter(command, Parameter(i), column, value));
        }

        return command;
    }

    private static List<(KmsColumn Column, object? Value)> Pairs(IEnumerable<KmsColumn> columns, object?[] values)
        => [.. columns.Select((c, i) => (c, values[i]))];

    private static object?[] Read(KmsTable table, DbDataReader reader)
    {
        var values = new object?[table.Columns.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = table.Columns[i].IsNullable && reader.IsDBNull(i) ? null : Read(reader, i, table.Columns[i].Type);
        return values;
    }

    private static object Read(DbDataReader reader, int column, Type type)
        => type == typeof(string) ? reader.GetString(column)
            : type == typeof(byte[]) ? reader.GetFieldValue<byte[]>(column)
            : type == typeof(long) ? reader.GetInt64(column)
            : type == typeof(int) ? reader.GetInt32(column)
            : type == typeof(bool) ? reader.GetBoolean(column)
            : reader.GetFieldValue<DateTimeOffset>(column).ToUniversalTime();

    /// <summary>Statements that go to the store in one command, their values, and how many rows they change.</summary>
    private sealed class Batch
    {
        public List<string> Texts { get; } = [];

        public List<(KmsColumn Column, object? Value)> Values { get; } = [];

        public int Rows { get; private set; }

        public void Add(string text, int rows)
        {
            Texts.Add(text);
            Rows += rows;
        }

        /// <summary>Adds values and returns the names of their parameters.</summary>
        public List<string> Add(List<(KmsColumn Column, object? Value)> values)
        {
            var first = Values.Count;
            Values.AddRange(values);
            return values.ConvertAll(_ => Parameter(first++));
        }

        public void Clear()
        {
            Texts.Clear();
            Values.Clear();
            Rows = 0;
        }
    }

    private enum RowState
    {
        Stored,
        Added,
        Removed,
    }

    private sealed class Tracked(KmsTable table, object row, object?[] stored)
    {
        public KmsTable Table => table;

        public object Row => row;

        /// <summary>Gets or sets the values as the store has them.</summary>
        public object?[] Stored { get; set; } = stored;

        public RowState State { get; set; }
    }

    private sealed class ValueComparer : IEqualityComparer<object?>
    {
        public static readonly ValueComparer Instance = new();

        public new bool Equals(object? x, object? y) => x is byte[] a && y is byte[] b ? a.AsSpan().SequenceEqual(b) : object.Equals(x, y);

        public int GetHashCode(object? value) => 0;
    }
}
