using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Gives every property whose values a unique index compares a second one, which holds the same under the next key version while two are live, and every
/// such index a second one over it. Whoever writes the first under the old version and whoever writes it under the new one see each other's duplicates
/// by the second.
/// </summary>
internal sealed partial class NextColumns(IMutableModel model, ColumnNames names)
{
    private const string Suffix = "_Next";

    // Of Npgsql, which this library does not refer to: nulls are equal to each other in such an index.
    private const string NullsDistinct = "Npgsql:NullsDistinct";

    // A table can have one.
    private const string Clustered = "SqlServer:Clustered";

    private readonly Dictionary<IReadOnlyProperty, IMutableProperty> _next = [];
    private readonly List<string> _faults = [];

    /// <summary>Gets what stands in the way of a second property.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>Adds the second property; none where no table holds the first, because nothing writes it.</summary>
    /// <param name="main">What a unique index compares.</param>
    /// <param name="carrier">The type of what is stored.</param>
    /// <returns>The second property.</returns>
    public IMutableProperty? Add(IMutableProperty main, Type carrier)
    {
        if (EncryptedColumn.FindColumns(main) is not [var (_, mainColumn), ..])
            return null;
        var name = main.Name + Suffix;
        if (main.DeclaringType is not IMutableEntityType type)
        {
            _faults.Add(EnvelopeMessages.UniqueInComplexType(EnvelopeRules.NameOf(main)));
            return null;
        }

        if (type.GetDerivedTypesInclusive().Any(t => t.FindMember(name) is not null))
        {
            _faults.Add(EnvelopeMessages.NextNameTaken(EnvelopeRules.NameOf(main), name));
            return null;
        }

        // Named after the column, not the property: types that share a column share this one.
        var column = names.Get(type, mainColumn, Suffix);
        var next = type.AddProperty(name, carrier);
        next.IsNullable = true;
        next.ValueGenerated = ValueGenerated.Never;
        next.SetMaxLength(main.GetMaxLength());
        next.SetIsUnicode(main.IsUnicode());
        next.SetAnnotation(EnvelopeAnnotations.Next, main.Name);
        EncryptedColumn.WriteWith(next, [main]);
        next.SetColumnName(column);
        foreach (var fragment in type.GetMappingFragments(StoreObjectType.Table).Where(f => main.GetColumnName(f.StoreObject) is not null))
            next.SetColumnName(column, fragment.StoreObject);
        _next.Add(main, next);
        return next;
    }

    /// <summary>Copies every unique index that holds one of the properties, or several.</summary>
    public void CopyIndexes()
    {
        foreach (var index in model.GetEntityTypes().SelectMany(t => t.GetDeclaredIndexes()).Where(i => i.IsUnique && i.Properties.Any(_next.ContainsKey)).ToList())
            Copy(index);
    }

    private void Copy(IMutableIndex index)
    {
        List<IMutableProperty> properties = [.. index.Properties.Select(p => _next.GetValueOrDefault(p, p))];
        var copy = index.Name is null
            ? index.DeclaringEntityType.AddIndex(properties)
            : index.DeclaringEntityType.AddIndex(properties, AddSuffix(index.Name));
        copy.IsUnique = true;
        copy.IsDescending = index.IsDescending;
        var asked = index.GetAnnotations().Cast<IConventionAnnotation>()
            .Where(a => a.GetConfigurationSource() != ConfigurationSource.Convention && a.Name is not (Clustered or RelationalAnnotationNames.Filter)).ToList();
        foreach (var annotation in asked)
            copy.SetAnnotation(annotation.Name, annotation is { Name: RelationalAnnotationNames.Name, Value: string name } ? AddSuffix(name) : annotation.Value);

        // The rows that the first index compares, and of them those that have a second value: most of the time none has. Where nobody asked for anything
        // else, nulls are different from each other, or the provider's conventions filter them out.
        var filter = (IConventionAnnotation?)index.FindAnnotation(RelationalAnnotationNames.Filter);
        var isAsked = filter is not null && filter.GetConfigurationSource() != ConfigurationSource.Convention;
        if (isAsked || index.FindAnnotation(NullsDistinct) is { Value: false })
            copy.SetAnnotation(EnvelopeAnnotations.NextFilter, isAsked ? (string?)filter!.Value ?? "" : "");
    }

    /// <summary>
    /// Gives the copies their filters, once the columns have their last names. SQL Server takes two nulls for equal: there each unique
    /// index over a column of ours gets a filter. EF Core makes one for the main table of a type only, and none where a base type has no
    /// table.
    /// </summary>
    public static void SetFilters(IMutableModel model, ISqlGenerationHelper sql, string provider)
    {
        foreach (var index in model.GetEntityTypes().SelectMany(t => t.GetDeclaredIndexes()))
        {
            var table = FindTable(index);
            if (index.RemoveAnnotation(EnvelopeAnnotations.NextFilter)?.Value is string filter)
                index.SetFilter(And(filter, index.Properties.Where(p => p[EnvelopeAnnotations.Next] is string), table, sql));
            else if (provider == "Microsoft.EntityFrameworkCore.SqlServer" && LacksFilter(index))
            {
                var nullable = index.Properties.Where(p => table is null ? p.IsNullable : p.IsColumnNullable(table.Value));
                index.SetFilter(And("", nullable, table, sql));
            }
        }
    }

    private static bool LacksFilter(IMutableIndex index)
        => index.IsUnique && index[Clustered] is not true && index.GetFilter() is null
            && ((IConventionIndex)index).GetFilterConfigurationSource() is null or ConfigurationSource.Convention
            && index.Properties.Any(p => p[EnvelopeAnnotations.Next] is string || p[EnvelopeAnnotations.BlindIndex] is not null);

    // The one that has all of its columns.
    private static StoreObjectIdentifier? FindTable(IMutableIndex index)
        => index.Properties.Select(p => EncryptedColumn.FindColumns(p).Select(c => c.Table))
            .Aggregate((all, tables) => all.Intersect(tables))
            .Cast<StoreObjectIdentifier?>().FirstOrDefault();

    private static string And(string filter, IEnumerable<IMutableProperty> columns, StoreObjectIdentifier? table, ISqlGenerationHelper sql)
    {
        var names = columns.Select(p => (table is null ? null : p.GetColumnName(table.Value)) ?? p.GetColumnName());
        var all = names.Select(n => $"{sql.DelimitIdentifier(n)} IS NOT NULL");
        return string.Join(" AND ", string.IsNullOrWhiteSpace(filter) ? all : all.Prepend(FindOr().IsMatch(filter) ? $"({filter})" : filter));
    }

    private string AddSuffix(string name)
        => name.Length + Suffix.Length <= model.GetMaxIdentifierLength() ? name + Suffix : name[..(model.GetMaxIdentifierLength() - Suffix.Length)] + Suffix;

    [GeneratedRegex(@"\bOR\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex FindOr();
}
