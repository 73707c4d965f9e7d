using System.Collections;
using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Data.SqlClient;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using IsolationLevel = System.Data.IsolationLevel;

namespace EfEnvelope.Functional.TestUtilities;

/// <summary>
/// A SQL Server that knows its clock and its key rows alone: it parses what is sent to it, by Microsoft's own parser, keeps what cannot be
/// parsed, says
/// that each statement changed a row, and that each other query finds none. A test comes as far on it as it does not depend on an answer.
/// </summary>
public sealed class ParsedSqlServer(ConcurrentDictionary<string, string?> faults)
{
    private static readonly AsyncLocal<ParsedSqlServer?> Of = new();

    /// <summary>Gets or sets the server of the test that runs, if it is to run against one.</summary>
    public static ParsedSqlServer? Current
    {
        get => Of.Value;
        set => Of.Value = value;
    }

    private readonly Dictionary<string, Dictionary<string, ColumnDefinition>> _tables = new(StringComparer.OrdinalIgnoreCase);

    private static readonly Regex Assignment = new(@"\[(\w+)\] = (@\w+)", RegexOptions.CultureInvariant);

    private static readonly string[] Columns =
    [
        "Scope", "Version", "Status", "WrappedKey", "Commitment", "CreatedAt", "EncryptsFrom", "EncryptsUntil", "SearchesFrom", "UniqueFrom", "RetiredAt",
        "Revision",
    ];

    private readonly List<object[]> _keys = [];

    /// <summary>Answers a command.</summary>
    public DbDataReader Run(DbCommand command)
    {
        var outputs = Parse(command);
        object[] values = [.. command.Parameters.Cast<DbParameter>().Select(p => p.Value ?? DBNull.Value)];
        lock (_keys)
        {
            if (command.CommandText.StartsWith("INSERT INTO", StringComparison.Ordinal) && command.CommandText.Contains("[__EnvelopeKeys]", StringComparison.Ordinal))
                _keys.Add(values);
            if (command.CommandText.StartsWith("UPDATE", StringComparison.Ordinal) && command.CommandText.Contains("[__EnvelopeKeys]", StringComparison.Ordinal))
                Update(command);
            var ofScope = _keys.Where(k => values.Length == 1 && k[0].Equals(values[0])).ToList();
            if (command.CommandText.StartsWith("SELECT CONVERT(varchar(33), SYSUTCDATETIME(), 126)", StringComparison.Ordinal))
                return Reader([[DateTime.UtcNow.ToString("o", CultureInfo.InvariantCulture)]], ofScope);
            return command.CommandText.StartsWith("SELECT [Version], [Commitment]", StringComparison.Ordinal)
                ? Reader(ofScope.ConvertAll(k => new[] { k[1], k[4], k[8] }))
                : Reader([.. outputs]);
        }
    }

    private void Update(DbCommand command)
    {
        var values = command.Parameters.Cast<DbParameter>().ToDictionary(p => p.ParameterName, p => p.Value ?? DBNull.Value);
        var parts = command.CommandText.Split(" WHERE ").Select(part => Assignment.Matches(part)
            .Select(m => (Column: Array.IndexOf(Columns, m.Groups[1].Value), Value: values.GetValueOrDefault(m.Groups[2].Value)))
            .Where(a => a.Column >= 0 && a.Value is not null).ToList()).ToList();
        foreach (var key in _keys.Where(k => parts is [_, var where, ..] && where.Exists(a => a.Column == 0) && where.TrueForAll(a => k[a.Column].Equals(a.Value))))
            parts[0].ForEach(a => key[a.Column] = a.Value!);
    }

    private static DataTableReader Reader(params List<object[]>[] results)
        => results.Length == 0 ? new DataTable().CreateDataReader() : new([.. results.Select(rows =>
        {
            var table = new DataTable();
            for (var i = 0; i < (rows.Count > 0 ? rows[0].Length : 0); i++)
                table.Columns.Add(string.Create(CultureInfo.InvariantCulture, $"c{i}"), typeof(object));
            rows.ForEach(r => table.Rows.Add(r));
            return table;
        })]);

    private List<List<object[]>> Parse(DbCommand command)
    {
        var text = command.CommandText;
        var script = new TSql160Parser(initialQuotedIdentifiers: true).Parse(new StringReader(text), out var errors);
        if (errors.Count > 0)
        {
            faults[text] = string.Join("; ", errors.Select(e => $"line {e.Line}, column {e.Column}: {e.Message}"));
            return [];
        }

        faults.TryAdd(text, null);
        lock (_keys)
        {
            var check = new Check(_tables, command);
            script.Accept(check);
            if (check.Fault is { } fault)
                faults[text] = fault;
            return check.Outputs;
        }
    }

    /// <summary>Notes the tables that are made, and finds values that their columns refuse.</summary>
    private sealed class Check(Dictionary<string, Dictionary<string, ColumnDefinition>> tables, DbCommand command) : TSqlFragmentVisitor
    {
        public string? Fault { get; private set; }

        /// <summary>Gets what the statements answer about the rows that they changed: numbers that were generated, and places in the
        /// batch.</summary>
        public List<List<object[]>> Outputs { get; } = [];

        public override void Visit(OutputClause node) => _output = node;

        private OutputClause? _output;

        public override void ExplicitVisit(InsertStatement node) => Answer(() => base.ExplicitVisit(node), (node.InsertSpecification.InsertSource as ValuesInsertSource)?.RowValues.Count ?? 1);

        public override void ExplicitVisit(UpdateStatement node) => Answer(() => base.ExplicitVisit(node), 1);

        public override void ExplicitVisit(DeleteStatement node) => Answer(() => base.ExplicitVisit(node), 1);

        public override void ExplicitVisit(MergeStatement node)
            => Answer(() => base.ExplicitVisit(node), (node.MergeSpecification.TableReference as InlineDerivedTable)?.RowValues.Count ?? 1);

        private void Answer(Action visit, int rows)
        {
            _output = null;
            visit();
            if (_output is not { } output)
                return;
            Outputs.Add([.. Enumerable.Range(0, rows).Select(row => output.SelectColumns.OfType<SelectScalarExpression>().Select(column => (object)(column.Expression switch
            {
                ColumnReferenceExpression { MultiPartIdentifier.Identifiers: [.., { Value: "_Position" }] } => row,
                ColumnReferenceExpression => Interlocked.Increment(ref _generated),
                _ => 1,
            })).ToArray())]);
        }

        private static int _generated;

        public override void Visit(CreateTableStatement node)
            => tables[node.SchemaObjectName.BaseIdentifier.Value] = node.Definition.ColumnDefinitions.ToDictionary(
                c => c.ColumnIdentifier.Value, StringComparer.OrdinalIgnoreCase);

        public override void Visit(AlterTableAlterColumnStatement node)
        {
            if (tables.GetValueOrDefault(node.SchemaObjectName.BaseIdentifier.Value)?.GetValueOrDefault(node.ColumnIdentifier.Value) is { } column)
                column.DataType = node.DataType;
        }

        public override void Visit(InsertSpecification node)
        {
            if (node.Target is not NamedTableReference target || ColumnsOf(target) is not { } columns)
                return;
            var named = node.Columns.Select(c => c.MultiPartIdentifier.Identifiers[^1].Value).ToList();
            RefuseIdentity(target, columns, named);
            if (node.InsertSource is not ValuesInsertSource values)
                return;
            foreach (var row in values.RowValues)
            {
                for (var i = 0; i < Math.Min(named.Count, row.ColumnValues.Count); i++)
                    RefuseLength(columns, named[i], row.ColumnValues[i]);
            }
        }

        public override void Visit(MergeSpecification node)
        {
            if (node.Target is not NamedTableReference target || ColumnsOf(target) is not { } columns)
                return;
            foreach (var insert in node.ActionClauses.Select(c => c.Action).OfType<InsertMergeAction>())
                RefuseIdentity(target, columns, insert.Columns.Select(c => c.MultiPartIdentifier.Identifiers[^1].Value));
        }

        public override void Visit(UpdateSpecification node)
        {
            if (node.Target is not NamedTableReference target || ColumnsOf(target) is not { } columns)
                return;
            foreach (var set in node.SetClauses.OfType<AssignmentSetClause>().Where(c => c.Column is not null))
                RefuseLength(columns, set.Column.MultiPartIdentifier.Identifiers[^1].Value, set.NewValue);
        }

        private Dictionary<string, ColumnDefinition>? ColumnsOf(NamedTableReference table)
            => tables.GetValueOrDefault(table.SchemaObject.BaseIdentifier.Value);

        private void RefuseIdentity(NamedTableReference target, Dictionary<string, ColumnDefinition> columns, IEnumerable<string> named)
        {
            if (named.FirstOrDefault(n => columns.GetValueOrDefault(n)?.IdentityOptions is not null) is { } identity
                && !command.CommandText.Contains("IDENTITY_INSERT", StringComparison.OrdinalIgnoreCase))
                Fault ??= $"544: a value for the identity column '{target.SchemaObject.BaseIdentifier.Value}.{identity}'";
        }

        private void RefuseLength(Dictionary<string, ColumnDefinition> columns, string name, ScalarExpression value)
        {
            if (columns.GetValueOrDefault(name)?.DataType is not SqlDataTypeReference { Parameters: [IntegerLiteral length, ..] } type
                || !int.TryParse(length.Value, out var limit)
                || !type.SqlDataTypeOption.ToString().Contains("Char", StringComparison.OrdinalIgnoreCase)
                    && !type.SqlDataTypeOption.ToString().Contains("Binary", StringComparison.OrdinalIgnoreCase))
                return;
            var sent = value switch
            {
                VariableReference variable => command.Parameters.Cast<DbParameter>().FirstOrDefault(p => p.ParameterName == variable.Name)?.Value,
                StringLiteral literal => literal.Value,
                _ => null,
            };
            var size = sent is byte[] bytes ? bytes.Length : (sent as string)?.Length ?? 0;
            if (size > limit)
                Fault ??= $"2628: {size} for '{name}', which takes {limit}";
        }
    }
}

/// <summary>A connection to <see cref="ParsedSqlServer" />.</summary>
public sealed class ParsedSqlServerConnection(ParsedSqlServer server) : DbConnection, ICloneable
{
    private ConnectionState _state;

    [AllowNull]
    public override string ConnectionString { get; set; } = "Server=parsed;Database=parsed;User Id=test;Password=test";

    public override string Database => "parsed";

    public override string DataSource => "parsed";

    public override string ServerVersion => "16.00.1000";

    public override ConnectionState State => _state;

    public override void ChangeDatabase(string databaseName)
    {
    }

    public override void Open() => _state = ConnectionState.Open;

    public override void Close() => _state = ConnectionState.Closed;

    public object Clone() => new ParsedSqlServerConnection(server) { ConnectionString = ConnectionString };

    protected override DbTransaction BeginDbTransaction(IsolationLevel isolationLevel) => new Transaction(this, isolationLevel);

    protected override DbCommand CreateDbCommand() => new Command(server) { Connection = this };

    private sealed class Transaction(ParsedSqlServerConnection connection, IsolationLevel isolation) : DbTransaction
    {
        public override IsolationLevel IsolationLevel => isolation;

        public override bool SupportsSavepoints => true;

        protected override DbConnection DbConnection => connection;

        public override void Commit()
        {
        }

        public override void Rollback()
        {
        }

        public override void Save(string savepointName)
        {
        }

        public override void Rollback(string savepointName)
        {
        }

        public override void Release(string savepointName)
        {
        }
    }

    private sealed class Command(ParsedSqlServer server) : DbCommand
    {
        [AllowNull]
        public override string CommandText { get; set; } = "";

        public override int CommandTimeout { get; set; } = 30;

        public override CommandType CommandType { get; set; } = CommandType.Text;

        public override bool DesignTimeVisible { get; set; }

        public override UpdateRowSource UpdatedRowSource { get; set; }

        protected override DbConnection? DbConnection { get; set; }

        protected override DbParameterCollection DbParameterCollection { get; } = new Parameters();

        protected override DbTransaction? DbTransaction { get; set; }

        public override void Cancel()
        {
        }

        public override void Prepare()
        {
        }

        public override int ExecuteNonQuery()
        {
            server.Run(this).Dispose();
            return 1;
        }

        public override object? ExecuteScalar()
        {
            server.Run(this).Dispose();
            return 0;
        }

        protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior) => server.Run(this);

        protected override DbParameter CreateDbParameter() => new SqlParameter();
    }

    private sealed class Parameters : DbParameterCollection
    {
        private readonly List<DbParameter> _all = [];

        public override int Count => _all.Count;

        public override object SyncRoot => _all;

        public override int Add(object value)
        {
            _all.Add((DbParameter)value);
            return _all.Count - 1;
        }

        public override void AddRange(Array values) => _all.AddRange(values.Cast<DbParameter>());

        public override void Clear() => _all.Clear();

        public override bool Contains(object value) => _all.Contains((DbParameter)value);

        public override bool Contains(string value) => IndexOf(value) >= 0;

        public override void CopyTo(Array array, int index) => ((ICollection)_all).CopyTo(array, index);

        public override IEnumerator GetEnumerator() => _all.GetEnumerator();

        public override int IndexOf(object value) => _all.IndexOf((DbParameter)value);

        public override int IndexOf(string parameterName) => _all.FindIndex(p => p.ParameterName == parameterName);

        public override void Insert(int index, object value) => _all.Insert(index, (DbParameter)value);

        public override void Remove(object value) => _all.Remove((DbParameter)value);

        public override void RemoveAt(int index) => _all.RemoveAt(index);

        public override void RemoveAt(string parameterName) => _all.RemoveAt(IndexOf(parameterName));

        protected override DbParameter GetParameter(int index) => _all[index];

        protected override DbParameter GetParameter(string parameterName) => _all[IndexOf(parameterName)];

        protected override void SetParameter(int index, DbParameter value) => _all[index] = value;

        protected override void SetParameter(string parameterName, DbParameter value) => _all[IndexOf(parameterName)] = value;
    }
}
