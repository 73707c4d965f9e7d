using EfEnvelope.BlindIndexes;
using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Gives every blind index a column of its own, indexed, and lets the database itself refuse a row that has a value and not its hash: no query could
/// find it. Indexes over the property move to that column.
/// </summary>
internal sealed class BlindIndexBuilding(IMutableModel model, IReadOnlyList<EncryptedColumn> columns, ISqlGenerationHelper sql)
{
    private readonly List<(IMutableTypeBase Type, BlindIndexDefinition Definition)> _asked = [.. FindAsked(model)];
    private readonly List<(IMutableProperty Index, BlindIndexDefinition Definition, IReadOnlyList<EncryptedColumn> Sources)> _built = [];

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
        foreach (var (index, definition, _) in _built.Where(b => EncryptedColumn.FindColumns(b.Index).Any(unique.Contains)))
            index.SetAnnotation(EnvelopeAnnotations.BlindIndex, (definition with { IsUnique = true }).Format());
        foreach (var type in MarkedMembers.FindTypes(model))
        {
            type.RemoveAnnotation(EnvelopeAnnotations.BlindIndexes);
            foreach (var property in type.GetDeclaredProperties())
                property.RemoveAnnotation(EnvelopeAnnotations.BlindIndexes);
        }
    }

    public IEnumerable<Dictionary<string, object>> ToMapRows()
        => _built.SelectMany(
            b => EncryptedColumn.FindColumns(b.Index).Select(
                c => EncryptedColumn.ToMapRow(
                    c, b.Sources[0].Field, "blindindex", "blindindex",
                    (b.Definition with { Properties = [.. b.Sources.Select(s => s.Property.GetColumnName(c.Table)!)] }).Format())));

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
    }

    private void Build(IMutableEntityType type, BlindIndexDefinition definition)
    {
        var sources = definition.Properties.Select(p => Find(type, p)!).ToList();
        var context = BlindIndexContext.Get([.. sources.Select((source, i) => PartOf(definition, i, source))], definition.Length);
        var property = type.AddProperty(definition.Name ?? string.Join('_', definition.Properties) + definition.Suffix, typeof(Envelope));
        property.IsNullable = true;
        property.ValueGenerated = ValueGenerated.Never;
        property.SetMaxLength(context.StoredLength);

        // Named after the column, not the property: types that share a column share its index.
        property.SetColumnName(definition.Name ?? string.Join('_', sources.Select(s => s.ColumnName)) + definition.Suffix);

        // Beside its property, where that is in another table of the type (entity splitting): the database compares what is in one row.
        foreach (var table in type.GetMappingFragments(StoreObjectType.Table).Select(f => f.StoreObject).Where(t => sources.All(s => s.Property.GetColumnName(t) is not null)))
            property.SetColumnName(property.GetColumnName(), table);
        var isUnique = MoveIndexes(type, definition, property) | definition.IsUnique;
        if (!property.GetContainingIndexes().Any(i => i.Properties[0] == property))
            type.AddIndex([property]).IsUnique = definition.IsUnique;
        else if (definition.IsUnique && !property.GetContainingIndexes().Any(i => i.IsUnique && i.Properties.Count == 1))
            type.AddIndex([property], $"IX_{type.GetTableName()}_{property.GetColumnName()}_Unique").IsUnique = true;

        var allowsMissing = definition.AllowsMissing || sources.Any(s => s.AllowsPlaintext);
        definition = definition with { IsUnique = isUnique, AllowsMissing = definition.AllowsMissing };
        property.SetAnnotation(EnvelopeAnnotations.BlindIndex, definition.Format());
        property.SetAnnotation(EnvelopeAnnotations.Context, context.ToString());
        if (!allowsMissing)
            AddCheck(type, property, sources);
        _built.Add((property, definition, sources));
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

    private void AddCheck(IMutableEntityType type, IMutableProperty property, List<EncryptedColumn> sources)
    {
        // A view is checked where its rows are; what a table holds that is not the type's own (entity splitting) cannot be named in a check of it.
        if (StoreObjectIdentifier.Create(type, StoreObjectType.Table) is not { } table)
        {
            if (type.GetMappingStrategy() != RelationalAnnotationNames.TpcMappingStrategy || type.GetDerivedTypes().FirstOrDefault(t => !t.IsAbstract()) is not { } concrete)
                return;
            table = StoreObjectIdentifier.Create(concrete, StoreObjectType.Table)!.Value;
        }

        if (property.GetColumnName(table) is not { } index || sources.Any(s => s.Property.GetColumnName(table) is null))
            return;
        var names = sources.Select(s => sql.DelimitIdentifier(s.Property.GetColumnName(table)!)).ToList();
        var delimited = sql.DelimitIdentifier(index);
        type.AddCheckConstraint(
            $"CK_{table.Name}_{index}",
            $"(({string.Join(" OR ", names.Select(n => $"{n} IS NULL"))}) AND {delimited} IS NULL)"
            + $" OR ({string.Join(" AND ", names.Select(n => $"{n} IS NOT NULL"))} AND {delimited} IS NOT NULL)");
    }

    private EncryptedColumn? Find(IReadOnlyTypeBase type, string property)
        => type.FindProperty(property) is { } found ? columns.FirstOrDefault(c => c.Property == found) : null;

    private static BlindIndexPart PartOf(BlindIndexDefinition definition, int i, EncryptedColumn column)
        => new(column.Field, column.PlaintextType, definition.Normalizations[i], definition.Projection, definition.Characters);

    private static string NameOf(IReadOnlyTypeBase type, string property) => $"{type.DisplayName()}.{property}";
}
