using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Makes the plan of a table's rows out of a request and the encryption map.</summary>
internal sealed class RowPlanner
{
    private readonly Dialect _dialect;
    private readonly TableInfo _table;
    private readonly IReadOnlyList<MapColumn> _map;
    private readonly List<RowColumn> _columns = [];
    private readonly List<ValueColumn?> _values = [];
    private readonly List<RowTask> _tasks = [];
    private readonly List<string> _said = [];

    private RowPlanner(Dialect dialect, TableInfo table, IReadOnlyList<MapColumn> map) => (_dialect, _table, _map) = (dialect, table, map);

    /// <summary>Plans a job.</summary>
    /// <returns>The plan, and what it does to each column, for people.</returns>
    public static (RowPlan Plan, IReadOnlyList<string> Columns) Make(Dialect dialect, JobRequest request, TableInfo table, IReadOnlyList<MapColumn> map)
    {
        var planner = new RowPlanner(dialect, table, map);
        switch (request.Kind)
        {
            case JobKind.Reencrypt when request.Into is not null:
                planner.CopyInto(request, decrypts: false);
                break;
            case JobKind.Reencrypt:
                planner.Renew(request, comparedOnly: false);
                break;
            case JobKind.Reindex:
                planner.Renew(request, comparedOnly: true);
                break;
            case JobKind.Backfill when request.Into is not null:
                planner.CopyInto(request, decrypts: false);
                break;
            case JobKind.Backfill:
                planner.Backfill(request);
                break;
            case JobKind.Decrypt when request.Into is not null:
                planner.CopyInto(request, decrypts: true);
                break;
            case JobKind.Decrypt:
                planner.Decrypt(request);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(request), request.Kind, null);
        }

        return (new RowPlan(dialect, table, planner._columns, planner._values, planner._tasks), planner._said);
    }

    /// <summary>Makes the plan that looks at everything a table has, and writes nothing.</summary>
    public static RowPlan MakeReading(Dialect dialect, TableInfo table, IReadOnlyList<MapColumn> map)
    {
        var planner = new RowPlanner(dialect, table, map);
        foreach (var column in map)
            planner.Add(column, isWritten: false);
        return new RowPlan(dialect, table, planner._columns, planner._values, []);
    }

    private void Renew(JobRequest request, bool comparedOnly)
    {
        foreach (var column in _map.Where(c => (request.Columns.Count == 0 || request.Columns.Contains(c.Column) || request.Columns.Contains(c.NextOf)) && (!comparedOnly || c.IsCompared)))
        {
            if (column.Kind == MapColumnKind.BlindIndex)
                AddIndex(column, looksAtAll: comparedOnly);
            else if (column.NextOf is { } main)
                _tasks.Add(new NextTask(Add(column, isWritten: true), Add(Find(main), isWritten: true), FieldOf(column), looksAtAll: comparedOnly));
            else
                AddReseal(column, request.Mode ?? column.Mode);
            _said.Add(RotationMessages.PlanRenews(column, request.Mode, comparedOnly));
        }
    }

    private void AddReseal(MapColumn column, EncryptionMode mode)
        => _tasks.Add(new ResealTask(Add(column, isWritten: true), FieldOf(column), AlgorithmOf(mode), RoleOf(column, mode), column.AllowsPlaintext));

    private void AddIndex(MapColumn column, bool looksAtAll = false)
    {
        var context = MapStore.ContextOf(column, _map);
        var role = column.NextOf is not null ? KeyRole.UniqueNext : column.IsUnique ? KeyRole.Unique : KeyRole.Search;
        _tasks.Add(new IndexTask(Add(column, isWritten: true), [.. column.Sources.Select(s => Add(Find(s), isWritten: false))], context, role, looksAtAll));
    }

    private void Backfill(JobRequest request)
    {
        foreach (var column in request.Columns.Select(Find))
        {
            _tasks.Add(new BackfillTask(Add(column with { AllowsPlaintext = true }, isWritten: true), FieldOf(column), AlgorithmOf(column.Mode), RoleOf(column, column.Mode)));
            _said.Add(RotationMessages.PlanBackfills(column));
            AddIndexesOf(column.Column);
        }
    }

    private void Decrypt(JobRequest request)
    {
        foreach (var column in request.Columns.Select(Find))
        {
            _tasks.Add(new DecryptTask(Add(column with { AllowsPlaintext = true }, isWritten: true)));
            _said.Add(RotationMessages.PlanDecrypts(column));
        }
    }

    private void CopyInto(JobRequest request, bool decrypts)
    {
        var (from, into) = (request.Columns[0], request.Into!);
        if (decrypts || request.Kind == JobKind.Reencrypt)
        {
            var source = Find(from);
            if (decrypts)
            {
                var plain = AddPlain(into, source.PlaintextType, isWritten: true);
                _tasks.Add(new CopyTask(Add(source, isWritten: false), plain, null, default, default));
            }
            else
            {
                AddSealingCopy(Add(source, isWritten: false), Find(into));
            }
        }
        else
        {
            var target = Find(into);
            AddSealingCopy(AddPlain(from, target.PlaintextType, isWritten: false), target);
        }

        _said.Add(RotationMessages.PlanCopies(from, into, decrypts));
        if (!decrypts)
            AddIndexesOf(into);
    }

    private void AddSealingCopy(int source, MapColumn target)
        => _tasks.Add(new CopyTask(source, Add(target, isWritten: true), FieldOf(target), AlgorithmOf(target.Mode), RoleOf(target, target.Mode)));

    private void AddIndexesOf(string column)
    {
        foreach (var next in _map.Where(c => c.Kind == MapColumnKind.Value && c.NextOf == column))
            _tasks.Add(new NextTask(Add(next, isWritten: true), Add(Find(column), isWritten: true), FieldOf(next)));
        foreach (var index in _map.Where(c => c.Kind == MapColumnKind.BlindIndex && c.Sources.Contains(column)))
        {
            AddIndex(index);
            _said.Add(RotationMessages.PlanRenews(index, null));
        }
    }

    private int Add(MapColumn column, bool isWritten)
        => Add(
            column.Column, column.IsText ? StoredForm.Text : StoredForm.Binary, column.PlaintextType, isWritten,
            column.Kind == MapColumnKind.Value ? new ValueColumn(FieldOf(column), column.AllowsPlaintext) : null);

    private int AddPlain(string column, string plaintextType, bool isWritten) => Add(column, StoredForm.Plain, plaintextType, isWritten, null);

    private int Add(string name, StoredForm form, string plaintextType, bool isWritten, ValueColumn? value)
    {
        var stored = _table.Find(name) ?? throw new EnvelopeConfigurationException(RotationMessages.ColumnMissing(_table.DisplayName, name));
        var at = _columns.FindIndex(c => c.Name == name);
        if (at < 0)
        {
            _columns.Add(new RowColumn(name, form, stored.StoreType, plaintextType, isWritten));
            _values.Add(value);
            return _columns.Count - 1;
        }

        _columns[at] = _columns[at] with { IsWritten = _columns[at].IsWritten || isWritten };
        return at;
    }

    private MapColumn Find(string column)
        => _map.FirstOrDefault(c => c.Column == column && c.Kind == MapColumnKind.Value)
            ?? throw new EnvelopeConfigurationException(RotationMessages.ColumnNotEncrypted(_table.DisplayName, column, _map.Select(c => c.Column)));

    // Where a unique index compares the values, the column has a second one beside it.
    private KeyRole RoleOf(MapColumn column, EncryptionMode mode)
        => mode == EncryptionMode.Randomized ? KeyRole.Primary : column.IsUnique || _map.Any(c => c.NextOf == column.Column) ? KeyRole.Unique : KeyRole.Search;

    private static FieldContext FieldOf(MapColumn column) => FieldContext.Get(column.Field, column.PlaintextType);

    private static EnvelopeAlgorithm AlgorithmOf(EncryptionMode mode) => MapColumn.AlgorithmOf(mode);
}
