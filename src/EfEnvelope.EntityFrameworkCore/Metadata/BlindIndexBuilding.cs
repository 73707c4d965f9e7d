using EfEnvelope.BlindIndexes;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Gives every blind index a column of its own, indexed. Indexes over the property move to that column.
/// </summary>
internal sealed class BlindIndexBuilding(IMutableModel model, IReadOnlyList<EncryptedColumn> columns, NextColumns next, ColumnNames names)
{
    private readonly List<(IMutableTypeBase Type, BlindIndexDefinition Definition)> _asked = [.. FindAsked(model)];
    private readonly List<(IMutableProperty Index, BlindIndexDefinition Definition)> _built = [];

    public IEnumerable<string> FindFaults()
    {
        foreach (var (type, definition) in _asked)
        {
            foreach (var fault in FindFaults(type, definition))
                yield return fault;
        }

        // With one property it would be an ordinary one, and take its place.
        foreach (var type in MarkedMembers.FindTypes(model).Where(t => EnvelopeAnnotations.FindBlindIndexes(t).Any(d => d.Properties.Count == 1)))
            yield return EnvelopeMessages.BlindIndexMalformed(type.DisplayName());

        // '==', 'StartsWith' and 'EndsWith' each mean one thing.
        foreach (var twice in _asked.Where(a => a.Definition.Properties.Count == 1).GroupBy(a => (a.Type, a.Definition.Properties[0], a.Definition.Projection)).Where(g => g.Count() > 1))
            yield return EnvelopeMessages.BlindIndexTwice(NameOf(twice.Key.Type, twice.Key.Item2));
    }

    public void Build()
    {
        foreach (var (type, definition) in _asked)
            Build((IMutableEntityType)type, definition);

        // What shares a column with something unique is unique as well: all that is in the column is compared.
        var unique = _built.Where(b => b.Definition.IsUnique).SelectMany(b => EncryptedColumn.FindColumns(b.Index)).ToHashSet();
        foreach (var (index, definition) in _built.Where(b => EncryptedColumn.FindColumns(b.Index).Any(unique.Contains)))
        {
            index.SetAnnotation(EnvelopeAnnotations.BlindIndex, (definition with { IsUnique = true }).Format());
            next.Add(index, typeof(Envelope));
        }

        foreach (var type in MarkedMembers.FindTypes(model))
        {
            type.RemoveAnnotation(EnvelopeAnnotations.BlindIndexes);
            foreach (var property in type.GetDeclaredProperties())
                property.RemoveAnnotation(EnvelopeAnnotations.BlindIndexes);
        }
    }

    private static IEnumerable<(IMutableTypeBase Type, BlindIndexDefinition Definition)> FindAsked(IMutableModel model)
    {
        foreach (var type in MarkedMembers.FindTypes(model))
        {
            foreach (var definition in type.GetDeclaredProperties().SelectMany(EnvelopeAnnotations.FindBlindIndexes))
                yield return (type, definition);
            foreach (var definition in EnvelopeAnnotations.FindBlindIndexes(type))
                yield return (type, definition);
        }
    }

    private IEnumerable<string> FindFaults(IMutableTypeBase type, BlindIndexDefinition definition)
    {
        if (definition.Properties.Count == 0 || definition.Normalizations.Count != definition.Properties.Count || definition.Properties.Distinct().Count() != definition.Properties.Count)
        {
            yield return EnvelopeMessages.BlindIndexMalformed(type.DisplayName());
            yield break;
        }

        if (type is not IMutableEntityType)
        {
            yield return EnvelopeMessages.BlindIndexInComplexType(NameOf(type, definition.Properties[0]));
            yield break;
        }

        for (var i = 0; i < definition.Properties.Count; i++)
        {
            var name = NameOf(type, definition.Properties[i]);
            if (Find(type, definition.Properties[i]) is not { } column)
            {
                // Of one that is marked and cannot be encrypted, that has been said.
                if (type.FindProperty(definition.Properties[i]) is not { } found || EnvelopeAnnotations.FindMark(found) is null)
                    yield return EnvelopeMessages.BlindIndexWithoutEncryption(name);
                continue;
            }

            foreach (var fault in PartOf(definition, i, column).FindFaults(name))
                yield return fault;
            if (BlindIndexInput.FindPlatformFault(name, definition.Normalizations[i]) is { } platformFault)
                yield return platformFault;
            if (definition is { IsCompound: false, IsWhole: true } && column.Mode == EncryptionMode.Deterministic)
                yield return EnvelopeMessages.BlindIndexOnDeterministic(name);
            if (column.AllowsPlaintext && (definition.IsCompound || definition.Projection != BlindIndexProjection.Whole || definition.Normalizations[0] != Normalization.Exact))
                yield return EnvelopeMessages.BlindIndexWhileBackfilling(name);
        }

        if (BlindIndexContext.FindLengthFault(NameOf(type, definition.Properties[0]), definition.Length) is { } lengthFault)
            yield return lengthFault;
        if (definition is { IsCompound: true, IsWhole: false })
            yield return EnvelopeMessages.BlindIndexMalformed(type.DisplayName());
        if (definition.IsCompound && IsAcrossTables(definition.Properties.Select(p => Find(type, p)).OfType<EncryptedColumn>()))
            yield return EnvelopeMessages.BlindIndexAcrossTables(definition.Properties.Select(p => NameOf(type, p)));
        if (definition.IsCompound && FindSometimesIgnored([.. definition.Properties.Select(type.FindProperty).OfType<IReadOnlyProperty>()]) is { } ignored)
            yield return EnvelopeMessages.BlindIndexOverIgnored(definition.Properties.Select(p => NameOf(type, p)), NameOf(type, ignored.Name));
    }

    // After such a save EF Core takes the entity's value for the stored one, so a hash of it and of a value that is written would be wrong.
    private static IReadOnlyProperty? FindSometimesIgnored(List<IReadOnlyProperty> sources)
        => sources.Find(s => s.GetBeforeSaveBehavior() == PropertySaveBehavior.Ignore)
            ?? (sources.TrueForAll(s => s.GetAfterSaveBehavior() == PropertySaveBehavior.Ignore)
                ? null
                : sources.Find(s => s.GetAfterSaveBehavior() == PropertySaveBehavior.Ignore));

    // A query compares columns of one table, and no check sees two.
    private static bool IsAcrossTables(IEnumerable<EncryptedColumn> sources)
        => sources.Select(s => s.Columns.Select(c => c.Table)).Where(tables => tables.Any()).ToList() is { Count: > 0 } mapped
            && !mapped.Aggregate((all, tables) => all.Intersect(tables)).Any();

    private void Build(IMutableEntityType type, BlindIndexDefinition definition)
    {
        var sources = definition.Properties.Select(p => Find(type, p)!).ToList();
        var context = BlindIndexContext.Get([.. sources.Select((source, i) => PartOf(definition, i, source))], definition.Length);

        // Named after the column, not the property: types that share a column share its index.
        var column = definition.Name ?? names.Get(type, string.Join('_', sources.Select(s => s.ColumnName)) + definition.Suffix);
        var property = type.AddProperty(definition.Name ?? string.Join('_', definition.Properties) + definition.Suffix, typeof(Envelope));
        property.IsNullable = true;
        property.ValueGenerated = ValueGenerated.Never;
        property.SetMaxLength(context.StoredLength);
        EncryptedColumn.WriteWith(property, sources.Select(s => s.Property));
        property.SetColumnName(column);

        // Beside its values, also if the type has a second table (entity splitting).
        foreach (var fragment in type.GetMappingFragments(StoreObjectType.Table).Where(f => sources.All(s => s.Property.GetColumnName(f.StoreObject) is not null)))
            property.SetColumnName(column, fragment.StoreObject);
        var isUnique = MoveIndexes(type, definition, property) | definition.IsUnique;
        if (!property.GetContainingIndexes().Any(i => i.Properties[0] == property))
            type.AddIndex([property]).IsUnique = definition.IsUnique;
        else if (definition.IsUnique && !property.GetContainingIndexes().Any(i => i.IsUnique && i.Properties.Count == 1))
            type.AddIndex([property], Uniquifier.Truncate($"IX_{type.GetTableName()}_{property.GetColumnName()}_Unique", model.GetMaxIdentifierLength())).IsUnique = true;

        definition = definition with { IsUnique = isUnique };
        property.SetAnnotation(EnvelopeAnnotations.BlindIndex, definition.Format());
        property.SetAnnotation(EnvelopeAnnotations.Context, context.ToString());
        _built.Add((property, definition));
    }

    // The property's own column holds random bytes, of which an index would be of no use.
    private static bool MoveIndexes(IMutableEntityType type, BlindIndexDefinition definition, IMutableProperty property)
    {
        if (definition.IsCompound || !definition.IsWhole)
            return false;
        var isUnique = false;
        var source = type.FindProperty(definition.Properties[0])!;
        foreach (var index in source.GetContainingIndexes().ToList())
        {
            var owner = index.DeclaringEntityType;
            var properties = index.Properties.Select(p => p == source ? property : p).ToList();
            owner.RemoveIndex(index);
            var moved = index.Name is null ? owner.AddIndex(properties) : owner.AddIndex(properties, index.Name);
            moved.IsUnique = index.IsUnique;
            moved.IsDescending = index.IsDescending;
            foreach (var annotation in index.GetAnnotations().Cast<IConventionAnnotation>().Where(a => a.GetConfigurationSource() != ConfigurationSource.Convention))
                moved.SetAnnotation(annotation.Name, annotation.Value);
            isUnique |= index.IsUnique;
        }

        return isUnique;
    }

    private EncryptedColumn? Find(IReadOnlyTypeBase type, string property)
        => type.FindProperty(property) is { } found ? columns.FirstOrDefault(c => c.Property == found) : null;

    private static BlindIndexPart PartOf(BlindIndexDefinition definition, int i, EncryptedColumn column)
        => new(column.Field, column.PlaintextType, definition.Normalizations[i], definition.Projection, definition.Characters);

    private static string NameOf(IReadOnlyTypeBase type, string property) => $"{type.DisplayName()}.{property}";
}
