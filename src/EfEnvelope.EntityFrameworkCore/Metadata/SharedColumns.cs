using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Compares the properties of a finished model that share a column. One that is plain would store plaintext where another one stores
/// envelopes, and one that is encrypted in another way, or has other blind indexes, would store what the other one cannot open or find.
/// </summary>
internal static class SharedColumns
{
    private static readonly StoreObjectType[] Kinds = [StoreObjectType.Table, StoreObjectType.View];

    public static IEnumerable<string> FindFaults(IReadOnlyModel model)
    {
        var properties = MarkedMembers.FindTypes(model).SelectMany(t => t.GetDeclaredProperties()).ToList();
        if (!properties.Exists(IsOurs))
            return [];

        // A type may be mapped to a table of another one as to a view: the name says what is shared.
        var columns = properties
            .SelectMany(p => Kinds.SelectMany(k => p.GetMappedStoreObjects(k)).Select(s => (Property: p, Store: s, Column: p.GetColumnName(s))))
            .GroupBy(c => (c.Store.Schema, c.Store.Name, c.Column), c => (c.Property, c.Store.StoreObjectType))
            .Where(g => g.Any(c => IsOurs(c.Property)) && g.Select(c => c.Property).Distinct().Count() > 1)
            .Select(g => (Sharing: g.ToList(), Faults: FindFaults(g.Key.Column!, [.. g]).ToList()))
            .Where(c => c.Faults.Count > 0)
            .ToList();
        return columns.Where(c => !columns.Exists(other => AreIndexesOf(c.Sharing, other.Sharing))).SelectMany(c => c.Faults).Distinct();
    }

    // A difference between blind indexes is a fault of the properties that share the column of their values, and is reported with these
    // once.
    private static bool AreIndexesOf(IEnumerable<(IReadOnlyProperty Property, StoreObjectType)> indexes, IEnumerable<(IReadOnlyProperty Property, StoreObjectType)> values)
        => indexes.All(i => EnvelopeAnnotations.FindBlindIndex(i.Property)?.Properties.Any(name => values.Any(v => v.Property == i.Property.DeclaringType.FindProperty(name))) == true);

    private static IEnumerable<string> FindFaults(string column, List<(IReadOnlyProperty Property, StoreObjectType Kind)> sharing)
    {
        var (first, kind) = sharing.Find(c => IsOurs(c.Property));
        foreach (var (other, otherKind) in sharing.Where(c => c.Property != first))
        {
            if (!IsOurs(other))
                yield return EnvelopeMessages.SharedWithPlain(EnvelopeRules.NameOf(other), EnvelopeRules.NameOf(first), column);
            else if (FindDifference(first, other, kind == StoreObjectType.Table && otherKind == StoreObjectType.Table) is { } difference)
                yield return EnvelopeMessages.SharedOtherwise(EnvelopeRules.NameOf(first), EnvelopeRules.NameOf(other), column, difference);
        }
    }

    private static string? FindDifference(IReadOnlyProperty first, IReadOnlyProperty other, bool bothWrite)
    {
        bool Differ(params string[] annotations) => annotations.Any(a => !Equals(first[a], other[a]));
        return Differ(EnvelopeAnnotations.Context) ? $"context ('{first[EnvelopeAnnotations.Context]}' and '{other[EnvelopeAnnotations.Context]}')"
            : Differ(EnvelopeAnnotations.Encrypted) ? "mode"
            : Differ(EnvelopeAnnotations.PlaintextType) ? "type"
            : Differ(EnvelopeAnnotations.Storage, EnvelopeAnnotations.Backfilling, EnvelopeAnnotations.Decrypting) ? "storage"
            : bothWrite && !FindIndexes(first).SetEquals(FindIndexes(other)) ? "set of blind indexes"
            : null;
    }

    // Hashes are compared as what they are computed from; whether one is unique, or a second column, both say or neither does.
    private static HashSet<(object?, string?)> FindIndexes(IReadOnlyProperty property)
        => [.. property.DeclaringType.ContainingEntityType.GetDerivedTypesInclusive()
            .SelectMany(t => t.GetProperties())
            .Where(p => EnvelopeAnnotations.FindBlindIndex(p)?.Properties.Any(name => p.DeclaringType.FindProperty(name) == property) == true)
            .Select(p => (p[EnvelopeAnnotations.Context], (string?)p.GetColumnName()))];

    private static bool IsOurs(IReadOnlyProperty property)
        => typeof(Envelope).IsAssignableFrom(property.GetValueConverter()?.ProviderClrType ?? property.ClrType);
}
