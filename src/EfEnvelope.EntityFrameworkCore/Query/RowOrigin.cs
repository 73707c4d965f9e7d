using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Where an encrypted result column comes from, through derived tables and set operations: the same plaintext has the same bytes only in one
/// and the same row, so rows may be compared only where all come from one property and its key stands beside it.
/// </summary>
/// <param name="Properties">The properties that the column holds in every row; <see langword="null" /> when it is null in all of them.</param>
/// <param name="Key">The positions of the property's key among the columns beside it.</param>
internal sealed record RowOrigin(IReadOnlyCollection<IProperty>? Properties, IReadOnlyList<int> Key)
{
    private static readonly RowOrigin Null = new(null, []);
    private static readonly RowOrigin Unknown = new([], []);

    public bool IsKnown => Properties is not { Count: 0 };

    /// <summary>Finds the origin of a column of a SELECT.</summary>
    /// <param name="select">The SELECT.</param>
    /// <param name="encrypted">The encrypted column.</param>
    /// <param name="beside">What stands beside it; <see langword="null" /> where it comes from elsewhere.</param>
    public static RowOrigin Find(SelectExpression select, SqlExpression encrypted, IReadOnlyList<SqlExpression?> beside)
    {
        if (EnvelopeQueryGuard.IsNull(encrypted))
            return Null;
        if (encrypted is not ColumnExpression column)
            return Unknown;
        return FindTable(select, column) switch
        {
            SelectExpression inner when Project(inner, column.Name) is { } expression
                => Find(inner, expression, [.. NamesBeside().Select(n => n is null ? null : Project(inner, n))]),
            SetOperationBase operation => Find(operation, column.Name, [.. NamesBeside()]),
            _ => FindStored(select, column, beside),
        };

        IEnumerable<string?> NamesBeside()
            => beside.Select(e => e is ColumnExpression other && other.TableAlias == column.TableAlias ? other.Name : null);
    }

    /// <summary>Finds the origin of a result column of a set operation, both sides of which must agree.</summary>
    public static RowOrigin Find(SetOperationBase operation, string name, IReadOnlyList<string?> beside)
    {
        var names = operation.Source1.Projection.Select(p => p.Alias).ToList();
        var first = FindIn(operation.Source1);
        var second = FindIn(operation.Source2);
        if (first.Properties is null)
            return second;
        if (second.Properties is null)
            return first;
        return first.Key.SequenceEqual(second.Key) ? first with { Properties = [.. first.Properties.Intersect(second.Properties)] } : Unknown;

        // By position: the result has the names of the first side.
        RowOrigin FindIn(SelectExpression source)
            => At(source, name) is { } encrypted ? Find(source, encrypted, [.. beside.Select(n => n is null ? null : At(source, n))]) : Unknown;

        SqlExpression? At(SelectExpression source, string alias)
            => names.IndexOf(alias) is >= 0 and var i ? source.Projection[i].Expression : null;
    }

    private static RowOrigin FindStored(SelectExpression select, ColumnExpression column, IReadOnlyList<SqlExpression?> beside)
    {
        var stored = FindColumn(select, column);
        if (stored is null)
            return Unknown;
        foreach (var property in stored.PropertyMappings.Select(m => m.Property))
        {
            if (property.DeclaringType.ContainingEntityType.FindPrimaryKey() is not { } key)
                continue;
            var positions = key.Properties.Select(FindKey).ToList();
            if (!positions.Contains(-1))
                return new RowOrigin([.. stored.PropertyMappings.Select(m => m.Property)], positions);
        }

        return Unknown;

        int FindKey(IProperty key)
            => beside.ToList().FindIndex(e => e is ColumnExpression candidate && IsKeyColumn(candidate, key));

        // Of the same table, or of another one that the entity is spread over (TPT, entity splitting).
        bool IsKeyColumn(ColumnExpression candidate, IProperty key)
            => candidate.TableAlias == column.TableAlias
                ? ColumnsOf(key).Any(c => c.Name == candidate.Name)
                : FindColumn(select, candidate) is { } other && other.Table != stored.Table && ColumnsOf(key).Contains(other);
    }

    private static IEnumerable<IColumnBase> ColumnsOf(IProperty property)
        => property.GetTableColumnMappings().Select(m => (IColumnBase)m.Column)
            .Concat(property.GetViewColumnMappings().Select(m => m.Column))
            .Concat(property.GetSqlQueryColumnMappings().Select(m => m.Column));

    // A column that was made nullable no longer knows what it is mapped to; its table still does.
    private static IColumnBase? FindColumn(SelectExpression select, ColumnExpression column)
        => column.Column ?? (FindTable(select, column) as ITableBasedExpression)?.Table?.FindColumn(column.Name);

    private static TableExpressionBase? FindTable(SelectExpression select, ColumnExpression column)
        => select.Tables.Select(t => t is JoinExpressionBase join ? join.Table : t).FirstOrDefault(t => t.Alias == column.TableAlias);

    private static SqlExpression? Project(SelectExpression select, string alias)
        => select.Projection.FirstOrDefault(p => p.Alias == alias)?.Expression;
}
