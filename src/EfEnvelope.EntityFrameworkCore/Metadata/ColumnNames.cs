using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Names the columns that this library adds, within the database's limit. PostgreSQL would cut two long names to one without an error. Types that share a
/// table ask by one full name and get one column.
/// </summary>
internal sealed class ColumnNames(IMutableModel model)
{
    private readonly Dictionary<(string? Schema, string? Table, string Name), string> _given = [];
    private readonly int _limit = model.GetMaxIdentifierLength();

    /// <summary>Gets a name: what is asked for, or a shorter form if that is too long.</summary>
    public string Get(IMutableEntityType type, string name) => Get(type, name, suffix: null);

    /// <summary>Gets the name of a column that belongs to another one.</summary>
    public string Get(IMutableEntityType type, string column, string? suffix)
    {
        var name = column + suffix;
        if (name.Length <= _limit)
            return name;
        var (schema, table) = (type.GetSchema(), type.GetTableName());
        if (_given.TryGetValue((schema, table, name), out var given))
            return given;
        var taken = MarkedMembers.FindTypes(model)
            .Where(t => (t.ContainingEntityType.GetSchema(), t.ContainingEntityType.GetTableName()) == (schema, table))
            .SelectMany(t => t.GetDeclaredProperties()).Select(p => p.GetColumnName())
            .Concat(_given.Where(g => (g.Key.Schema, g.Key.Table) == (schema, table)).Select(g => g.Value)).ToHashSet(StringComparer.OrdinalIgnoreCase);

        // A suffix is kept whole, as it always was.
        var cut = suffix is null ? name : column[..(_limit - suffix.Length)] + suffix;
        return _given[(schema, table, name)] = cut.Length <= _limit && !taken.Contains(cut) ? cut : Uniquifier.Uniquify(column, taken, suffix, _limit);
    }
}
