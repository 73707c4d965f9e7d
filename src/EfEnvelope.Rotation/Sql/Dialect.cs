using System.Data.Common;
using System.Globalization;
using System.Text.RegularExpressions;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Rotation.Sql;

/// <summary>What differs from database to database. Every SQL text that a job sends is made here or of what is made here.</summary>
internal abstract partial class Dialect(Func<string, string> quote)
{
    /// <summary>Gets the name of the provider.</summary>
    public abstract string Provider { get; }

    /// <summary>Gets whether a range can be claimed by a lock of its row, that several workers can share a job.</summary>
    public virtual bool HasRowLocks => true;

    /// <summary>Gets whether what is sent for each batch is parsed and planned once for a connection, if it is told to.</summary>
    public virtual bool PreparesStatements => false;

    public virtual int DefaultBatchSize => JobRequest.MaxBatchSize;

    /// <summary>Gets the greatest length of a name that the database keeps whole.</summary>
    protected virtual int MaxNameLength => int.MaxValue;

    public static Dialect Of(DbContext context) => Of(context.Database.ProviderName, context.GetService<ISqlGenerationHelper>().DelimitIdentifier);

    /// <summary>Finds a dialect where there is no context, as in a migration.</summary>
    public static Dialect Of(string? provider)
        => Of(
            provider,
            provider == "Microsoft.EntityFrameworkCore.SqlServer"
                ? name => $"[{name.Replace("]", "]]", StringComparison.Ordinal)}]"
                : name => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"");

    private static Dialect Of(string? provider, Func<string, string> quote)
        => provider switch
        {
            "Microsoft.EntityFrameworkCore.Sqlite" => new SqliteDialect(quote),
            "Npgsql.EntityFrameworkCore.PostgreSQL" => new PostgresDialect(quote),
            "Microsoft.EntityFrameworkCore.SqlServer" => new SqlServerDialect(quote),
            _ => throw new EnvelopeConfigurationException(RotationMessages.UnknownProvider(provider)),
        };

    public string Quote(string name) => quote(name);

    public virtual string Table(string? schema, string name) => string.IsNullOrEmpty(schema) ? quote(name) : $"{quote(schema)}.{quote(name)}";

    public string Table(TableInfo table) => Table(table.Schema, table.Name);

    /// <summary>
    /// Makes a statement whose own names are written in brackets. What is put into it is quoted already, and stays as it is: a schema may have a bracket in its name.
    /// </summary>
    public string Sql(FormattableString statement)
        => string.Format(CultureInfo.InvariantCulture, OwnName().Replace(statement.Format, name => Quote(name.Groups[1].Value)), statement.GetArguments());

    /// <summary>Makes the condition that a column of EfEnvelope's own tables holds a name, byte by byte.</summary>
    public string IsName(string column, string parameter) => EnvelopeTablesSql.IsName(Provider, Quote(column), parameter);

    public string Clock => DatabaseClock.Sql(Provider);

    /// <summary>Sets up a connection.</summary>
    public virtual ValueTask PrepareAsync(Session session, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public virtual DbParameter AddParameter(DbCommand command, string name, object? value)
    {
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = (name, value ?? DBNull.Value);
        command.Parameters.Add(parameter);
        return parameter;
    }

    /// <summary>Describes a table, or returns <see langword="null" /> when there is none of this name.</summary>
    public abstract ValueTask<TableInfo?> FindTableAsync(Session session, string schema, string name, CancellationToken cancellationToken);

    /// <summary>Tells whether two quoted names, which differ in case only, are of one table.</summary>
    public virtual ValueTask<bool> IsOneTableAsync(Session session, string left, string right, CancellationToken cancellationToken)
        => new(false);

    /// <summary>Lists all tables of the database, those of EfEnvelope and of the database itself left out.</summary>
    public abstract ValueTask<List<(string Schema, string Name)>> ListTablesAsync(Session session, CancellationToken cancellationToken);

    /// <summary>Lists the CHECK constraints of a table.</summary>
    public abstract ValueTask<List<TableSql>> ListChecksAsync(Session session, TableInfo table, CancellationToken cancellationToken);

    /// <summary>Tells whether a constraint lets only envelopes into a column: it names the column, and the first byte or the first characters of envelopes.</summary>
    // A database tells a condition in its own spelling.
    public bool IsEnvelopeCheck(TableSql check, string column, bool isText)
        => new SqlText(check.Sql, Provider) is var sql && sql.Names(column) && sql.HasLiteral(isText ? TextEnvelope.Prefix : "F8");

    /// <summary>Lists the views, triggers and generated columns whose SQL may read a table.</summary>
    public abstract ValueTask<List<TableSql>> ListReadersAsync(Session session, TableInfo table, CancellationToken cancellationToken);

    /// <summary>Lists the schemas that have an encryption map of their own, another one than this connection's.</summary>
    public virtual ValueTask<IReadOnlySet<string>> ListOtherMapsAsync(Session session, CancellationToken cancellationToken) => new(new HashSet<string>());

    /// <summary>Makes the expression that reads a part of a key.</summary>
    public virtual string SelectKey(TableColumn key, string alias) => $"{alias}.{Quote(key.Name)}";

    /// <summary>Makes the expression that stands for a part of a key that was read.</summary>
    public virtual string KeyParameter(TableColumn key, string parameter) => parameter;

    /// <summary>Makes the expression that counts rows, or those where an expression is not null, however many there are.</summary>
    public virtual string Count(string what = "*") => $"COUNT({what})";

    /// <summary>Makes the expression that stands for the name of a scope in the key table.</summary>
    public virtual string ScopeParameter(string parameter) => parameter;

    /// <summary>Makes the expression that reads a value.</summary>
    public virtual string SelectValue(RowColumn column, string alias) => $"{alias}.{Quote(column.Name)}";

    /// <summary>Makes of what was read by <see cref="SelectValue" /> what the column holds.</summary>
    public virtual object? Decode(RowColumn column, object? value) => value;

    /// <summary>Makes the condition that a key comes after another one.</summary>
    public virtual string After(IReadOnlyList<TableColumn> key, string alias, string parameters)
        => $"({string.Join(", ", key.Select(k => $"{alias}.{Quote(k.Name)}"))}) > ({KeyParameters(key, parameters)})";

    /// <summary>Makes the condition that a key is another one, or comes before it.</summary>
    public virtual string UpTo(IReadOnlyList<TableColumn> key, string alias, string parameters)
        => $"({string.Join(", ", key.Select(k => $"{alias}.{Quote(k.Name)}"))}) <= ({KeyParameters(key, parameters)})";

    public string OrderBy(IReadOnlyList<TableColumn> key, string alias) => string.Join(", ", key.Select(k => $"{alias}.{Quote(k.Name)}"));

    /// <summary>Lists what keeps the values that a job overwrites: the table's history, as the database itself keeps it.</summary>
    public virtual ValueTask<IReadOnlyList<TableHistory>> ListHistoriesAsync(
        Session session, TableInfo table, CancellationToken cancellationToken)
        => new([]);

    /// <summary>Adds to a query that it skips and takes so many rows.</summary>
    public virtual string Page(string query, int skip, int take) => skip == 0 ? $"{query} LIMIT {take}" : $"{query} LIMIT {take} OFFSET {skip}";

    /// <summary>Adds to a query without an order that it takes so many rows, whichever.</summary>
    public virtual string Sample(string query, int take) => Page(query, 0, take);

    /// <summary>Makes the expression of the first bytes of an envelope: its header, or what the header is in text.</summary>
    public abstract string Header(string column, StoredForm form);

    /// <summary>Makes what lets a scan wait for rows that are not committed yet, where readers would pass them by.</summary>
    public virtual string ScanHint(TableInfo table) => "";

    /// <summary>Writes bytes into SQL.</summary>
    public abstract string Literal(ReadOnlySpan<byte> bytes);

    /// <summary>Makes the condition that a column holds an envelope under one of the headers.</summary>
    public string HasHeader(string column, StoredForm form, IEnumerable<EnvelopeHeader> headers)
    {
        var list = form == StoredForm.Binary
            ? headers.Select(h => Literal(HeaderText.Bytes(h)))
            : headers.SelectMany(HeaderText.Texts).Select(t => $"'{t}'");
        var texts = string.Join(", ", list);
        return texts.Length == 0 ? "1 = 0" : $"{Header(column, form)} IN ({texts})";
    }

    /// <summary>Makes the expression of how many bytes or characters a value has.</summary>
    public virtual string LengthOf(string column, StoredForm form) => $"length({column})";

    /// <summary>Makes the expression of the first characters of a text.</summary>
    public virtual string StartOf(string column, int characters) => $"substr(CAST({column} AS text), 1, {characters})";

    /// <summary>Tells whether the database keeps rows of a table from the user that is connected.</summary>
    public virtual ValueTask<bool> HidesRowsAsync(Session session, TableInfo table, CancellationToken cancellationToken) => new(false);

    /// <summary>Makes the condition that a text column holds what starts like an envelope.</summary>
    public abstract string LooksLikeText(string column);

    /// <summary>Writes rows, each only if it still holds what was read, and asks what has to be asked in the same transaction.</summary>
    /// <returns>How many were written.</returns>
    public abstract ValueTask<int> WriteAsync(
        Session session, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows, bool compares, IReadOnlyList<Question> questions,
        CancellationToken cancellationToken);

    /// <summary>Reads what columns of rows hold now, in the transaction that is open.</summary>
    /// <returns>The places of the rows in the list, and their values. A row that is gone is left out, and one that is locked may
    /// be.</returns>
    public abstract ValueTask<List<(int Place, object?[] Values)>> ReadBackAsync(
        Session session, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<RowChange> rows, CancellationToken cancellationToken);

    /// <summary>Makes the statement that claims a range: the first of those that are not done and that nobody else has claimed.</summary>
    public abstract string ClaimRange(string table);

    /// <summary>Makes the statements that create the tables of jobs, if they are not there.</summary>
    public abstract IReadOnlyList<string> CreateJobTables(string? schema);

    /// <summary>Makes the statement that lets a column hold longer values.</summary>
    public abstract string? Widen(TableInfo table, TableColumn column, int? length);

    /// <summary>Finds the index that keeps a column from being widened, and the type that the column would have.</summary>
    public virtual (string Index, string Type)? FindIndexInTheWay(TableColumn column, int? length) => null;

    /// <summary>Finds what keeps jobs from running in this database at all, and the way out.</summary>
    public virtual ValueTask<string?> FindFaultAsync(Session session, CancellationToken cancellationToken) => new((string?)null);

    /// <summary>Makes the statement that adds a column for envelopes, or for plaintexts of a type.</summary>
    public abstract string AddColumn(TableInfo table, string column, StoredForm form, string plaintextType);

    /// <summary>Gets the type of such a column.</summary>
    public abstract string NewTypeOf(StoredForm form, string plaintextType);

    /// <summary>Waits until every transaction that may have written into tables before now has ended.</summary>
    /// <exception cref="OperationRefusedException">One is still open after the time that is waited for it.</exception>
    public abstract ValueTask WaitForWritersAsync(
        Session session, IReadOnlyList<TableInfo> tables, TimeProvider time, CancellationToken cancellationToken);

    /// <summary>Gets how long an open transaction is waited for.</summary>
    protected static TimeSpan WriterPatience { get; } = TimeSpan.FromSeconds(30);

    /// <summary>Writes a plaintext as this database's columns hold its type: text that the database casts, or a value that it stores as it is.</summary>
    public virtual object FormatPlain(string plaintextType, byte[] plaintext)
        => plaintextType == "bytes" ? plaintext.ToArray() : PlainText.Format(plaintextType, plaintext);

    /// <summary>Makes canonical bytes of what a column of plaintexts holds.</summary>
    /// <exception cref="FormatException">It is not of this type.</exception>
    /// <exception cref="OverflowException">It is beyond the type.</exception>
    public virtual byte[] ParsePlain(string plaintextType, object value) => PlainText.Parse(plaintextType, value);

    /// <summary>Tells whether two plaintexts are one value to this database, which may keep fewer digits of it than there were.</summary>
    public virtual bool IsSamePlain(string plaintextType, byte[] left, byte[] right)
        => left.AsSpan().SequenceEqual(right)
            || plaintextType switch
            {
                "decimal" => PlainText.Read<decimal>(left) == PlainText.Read<decimal>(right),
                "float32" => PlainText.Read<float>(left).Equals(PlainText.Read<float>(right)),
                "float64" => PlainText.Read<double>(left).Equals(PlainText.Read<double>(right)),
                "datetime" => IsSameTime(PlainText.Read<DateTime>(left).Ticks, PlainText.Read<DateTime>(right).Ticks),
                "datetimeoffset" => IsSameTime(PlainText.Read<DateTimeOffset>(left).UtcTicks, PlainText.Read<DateTimeOffset>(right).UtcTicks),
                "time" => IsSameTime(PlainText.Read<TimeOnly>(left).Ticks, PlainText.Read<TimeOnly>(right).Ticks),
                "timespan" => IsSameTime(PlainText.Read<TimeSpan>(left).Ticks, PlainText.Read<TimeSpan>(right).Ticks),
                _ => false,
            };

    /// <summary>Tells whether a column of plaintexts, or a text column, holds the value that was written into it.</summary>
    public bool IsSameStored(RowColumn column, object written, object? stored)
    {
        if (column.Form == StoredForm.Text || stored is null)
            return Equals(written, stored);
        try
        {
            return IsSamePlain(column.PlaintextType, ParsePlain(column.PlaintextType, written), ParsePlain(column.PlaintextType, stored));
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
        {
            return false;
        }
    }

    protected virtual bool IsSameTime(long left, long right) => left == right;

    /// <summary>Tells whether a failure may pass by itself.</summary>
    public virtual bool IsTransient(DbException exception)
        => exception.IsTransient || exception.SqlState is ['0', '8', ..] or ['5', '3', ..] or ['5', '7', 'P', ..] or ['4', '0', ..] or "55P03" or "25P03" or "55006";

    /// <summary>Tells whether the user that connects may not read a table.</summary>
    public virtual bool IsDenied(DbException exception) => exception.SqlState == "42501";

    /// <summary>Tells whether a failure is that of one row, which the table's rules or its values' types refuse; any other one is that of the whole job.</summary>
    public virtual bool RefusesRow(DbException exception)
        => !IsTransient(exception) && exception.SqlState is ['2', '1' or '2' or '3' or '7', ..] or ['4', '4', ..] or ['5', '4', ..] or ['P', '0', ..] or ['0', '9', ..];

    /// <summary>Makes a transaction check at each statement what it would check at its end, if it can be told to.</summary>
    public virtual ValueTask CheckAtOnceAsync(Session session, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Keeps a change of a table from waiting for locks, and everybody else behind it, for long.</summary>
    public virtual ValueTask LimitWaitsAsync(Session session, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Gets the database's code for a failure, without any value that its message may quote.</summary>
    public virtual string CodeOf(DbException exception) => exception.SqlState is { Length: > 0 } state ? $"SQLSTATE {state}" : exception.GetType().Name;

    /// <summary>Makes the CHECK constraint of a column for envelopes that is added; empty for one of plaintexts.</summary>
    protected string CheckOf(TableInfo table, string column, StoredForm form)
        => form == StoredForm.Plain ? ""
            : $"CONSTRAINT {Quote(Uniquifier.Uniquify(EnvelopeCheck.NameOf(table.Name, column), new HashSet<string>(), suffix: null, MaxNameLength))}"
                + $" CHECK ({EnvelopeCheck.SqlOf(Provider, Quote(column), form == StoredForm.Text)})";

    protected string KeyParameters(IReadOnlyList<TableColumn> key, string prefix)
        => string.Join(", ", key.Select((k, i) => KeyParameter(k, $"@{prefix}{i}")));

    protected string SetClause(IReadOnlyList<RowColumn> columns, Func<RowColumn, int, string> value)
        => string.Join(", ", columns.Select((c, i) => (c, i)).Where(c => c.c.IsWritten).Select(c => $"{Quote(c.c.Name)} = {value(c.c, c.i)}"));

    [GeneratedRegex(@"\[(\w+)\]", RegexOptions.CultureInvariant)]
    private static partial Regex OwnName();
}
