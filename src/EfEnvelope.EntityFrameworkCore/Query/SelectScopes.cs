using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Which SELECTs stand around the node that is visited, so that a column can be traced to the property it holds, through derived tables and set
/// operations, and the blind index beside it can be reached: a derived table that does not show it is asked to.
/// </summary>
internal sealed class SelectScopes(IModel model)
{
    private readonly EnvelopeModel _envelopes = EnvelopeModel.Of(model);
    private readonly List<SelectExpression> _selects = [];
    private readonly Dictionary<string, List<IndexRequest>> _requests = [];

    public EnvelopeModel Envelopes => _envelopes;

    public void Push(SelectExpression select) => _selects.Add(select);

    public void Pop() => _selects.RemoveAt(_selects.Count - 1);

    /// <summary>Takes what was asked of a derived table.</summary>
    public IReadOnlyList<IndexRequest> TakeRequests(string? alias)
        => alias is not null && _requests.Remove(alias, out var requests) ? requests : [];

    /// <summary>Finds the property whose values an expression holds; <see langword="null" /> when there is none, or more than one.</summary>
    public EncryptedProperty? Trace(SqlExpression expression)
        => expression switch
        {
            ColumnExpression column => Trace(column),
            ScalarSubqueryExpression { Subquery: { Projection: [var projection] } subquery } => TraceIn(subquery, projection.Expression),
            _ => null,
        };

    /// <summary>Finds the column of a blind index beside the column of its property.</summary>
    public ColumnExpression? FindIndexColumn(ColumnExpression column, BlindIndex index)
    {
        if (FindTable(column.TableAlias) is not { } table || FindIndexName(table, column, index) is not { } name)
            return null;
        var mapping = index.Property.GetRelationalTypeMapping();
        return new ColumnExpression(name, column.TableAlias, typeof(Envelope), mapping, column.IsNullable || index.Sources.Count > 1 || index.Sources[0].AllowsPlaintext);
    }

    /// <summary>Finds the column of a property in the table of another one.</summary>
    public ColumnExpression? FindColumnBeside(ColumnExpression column, IProperty property)
        => FindTable(column.TableAlias) is ITableBasedExpression { Table: { } stored } && FindName(stored, property) is { } name
            ? new ColumnExpression(name, column.TableAlias, property.ClrType, property.GetRelationalTypeMapping(), nullable: true)
            : null;

    private static string? FindName(ITableBase table, IProperty property)
        => table.Columns.FirstOrDefault(c => c.PropertyMappings.Any(m => m.Property == property))?.Name;

    private string? FindIndexName(TableExpressionBase table, ColumnExpression column, BlindIndex index)
    {
        switch (table)
        {
            case SelectExpression { GroupBy.Count: 0 } select when select.Projection.Any(p => p.Alias == column.Name):
                return Ask(select.Alias!, column.Name, index, select.Projection);
            case SetOperationBase operation:
                return Ask(operation.Alias!, column.Name, index, operation.Source1.Projection);
            case ITableBasedExpression { Table: { } stored }:
                // In a set operation, the other side may have a table, and an index, of its own.
                var own = Find(column.Column ?? stored.FindColumn(column.Name))?.Indexes.FirstOrDefault(i => ReferenceEquals(i.Context, index.Context)) ?? index;
                return FindName(stored, index.Property) ?? FindName(stored, own.Property);
            default:
                return null;
        }
    }

    private string Ask(string alias, string source, BlindIndex index, IReadOnlyList<ProjectionExpression> projection)
    {
        if (!_requests.TryGetValue(alias, out var requests))
            _requests.Add(alias, requests = []);
        if (requests.FirstOrDefault(r => r.Source == source && r.Index == index) is { } known)
            return known.Alias;
        var name = source + index.Definition.Suffix;
        for (var i = 0; projection.Any(p => p.Alias == name) || requests.Any(r => r.Alias == name); i++)
            name = $"{source}{index.Definition.Suffix}{i}";
        requests.Add(new IndexRequest(source, index, name));
        return name;
    }

    private EncryptedProperty? Trace(ColumnExpression column)
        => FindTable(column.TableAlias) switch
        {
            SelectExpression select when select.Projection.FirstOrDefault(p => p.Alias == column.Name) is { } projection => TraceIn(select, projection.Expression),
            SetOperationBase operation => Trace(operation, column.Name),
            ITableBasedExpression { Table: { } table } => Find(column.Column ?? table.FindColumn(column.Name)),
            _ => Find(column.Column),
        };

    private EncryptedProperty? Trace(SetOperationBase operation, string name)
    {
        var i = operation.Source1.Projection.ToList().FindIndex(p => p.Alias == name);
        if (i < 0)
            return null;
        var (first, second) = (operation.Source1.Projection[i].Expression, operation.Source2.Projection[i].Expression);
        if (IsNullIn(operation.Source1, first))
            return TraceIn(operation.Source2, second);
        var found = TraceIn(operation.Source1, first);
        return IsNullIn(operation.Source2, second) || (found is not null && TraceIn(operation.Source2, second) is { } other && found.IsSameAs(other)) ? found : null;
    }

    // Whether all rows have null there, as the rows of types that do not have a property (TPC), however many of them stand in set operations of their own.
    private static bool IsNullIn(SelectExpression select, SqlExpression expression)
    {
        if (EnvelopeQueryGuard.IsNull(expression))
            return true;
        if (expression is not ColumnExpression column)
            return false;
        switch (select.Tables.Select(t => t is JoinExpressionBase join ? join.Table : t).FirstOrDefault(t => t.Alias == column.TableAlias))
        {
            case SelectExpression inner:
                return inner.Projection.FirstOrDefault(p => p.Alias == column.Name) is { } projection && IsNullIn(inner, projection.Expression);
            case SetOperationBase operation:
                var i = operation.Source1.Projection.ToList().FindIndex(p => p.Alias == column.Name);
                return i >= 0 && IsNullIn(operation.Source1, operation.Source1.Projection[i].Expression)
                    && IsNullIn(operation.Source2, operation.Source2.Projection[i].Expression);
            default:
                return false;
        }
    }

    private EncryptedProperty? TraceIn(SelectExpression select, SqlExpression expression) => Within(select, () => Trace(expression));

    /// <summary>Looks at something as it stands in a SELECT.</summary>
    public T Within<T>(SelectExpression select, Func<T> look)
    {
        Push(select);
        try
        {
            return look();
        }
        finally
        {
            Pop();
        }
    }

    // Properties that share a column (siblings in one table, table splitting) are one as long as they are kept and compared in one way.
    private EncryptedProperty? Find(IColumnBase? column)
    {
        var found = column?.PropertyMappings.Select(m => _envelopes.Find(m.Property)).OfType<EncryptedProperty>().ToList() ?? [];
        return found.Count > 0 && found.All(p => p.IsSameAs(found[0])) ? found.MaxBy(p => p.Indexes.Count) : null;
    }

    private TableExpressionBase? FindTable(string alias)
    {
        for (var i = _selects.Count - 1; i >= 0; i--)
        {
            foreach (var table in _selects[i].Tables)
            {
                var inner = table is JoinExpressionBase join ? join.Table : table;
                if (inner.Alias == alias)
                    return inner;
            }
        }

        return null;
    }
}

/// <summary>Asks a derived table to show the blind index of a column that it shows.</summary>
/// <param name="Source">The alias of the property's column in its projection.</param>
/// <param name="Index">The blind index.</param>
/// <param name="Alias">The alias that the index is to have.</param>
internal sealed record IndexRequest(string Source, BlindIndex Index, string Alias);
