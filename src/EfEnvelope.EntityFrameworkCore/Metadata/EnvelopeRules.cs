using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>What a property must not be if it is encrypted: each rule keeps a value from being stored in clear text, or a database feature from silently working on random bytes.</summary>
internal static class EnvelopeRules
{
    public static string NameOf(IReadOnlyProperty property) => $"{property.DeclaringType.DisplayName()}.{property.Name}";

    public static IEnumerable<string> FindFaults(IReadOnlyProperty property, EncryptedAttribute mark)
    {
        var name = NameOf(property);
        var entityType = property.DeclaringType.ContainingEntityType;
        if (property.IsKey())
            yield return EnvelopeMessages.IsKey(name);
        if (property.IsForeignKey())
            yield return EnvelopeMessages.IsForeignKey(name);
        if (property.IsConcurrencyToken)
            yield return EnvelopeMessages.IsConcurrencyToken(name);
        if (entityType.FindDiscriminatorProperty() == property)
            yield return EnvelopeMessages.IsDiscriminator(name);
        if (property.GetContainingIndexes().Any()
            && mark.Mode == EncryptionMode.Randomized
            && !EnvelopeAnnotations.FindBlindIndexes(property).Any(d => d.IsWhole))
            yield return EnvelopeMessages.IsIndexed(name);
        if (EnvelopeAnnotations.AllowsPlaintext(property))
        {
            if (mark.Storage != EncryptedStorage.Text)
                yield return EnvelopeMessages.PlaintextNeedsText(name);
            if (property.GetContainingIndexes().Any(i => i.IsUnique) || EnvelopeAnnotations.FindBlindIndexes(property).Any(d => d.IsUnique))
                yield return EnvelopeMessages.UniqueWhileBackfilling(name);
        }

        if (IsInJson(property.DeclaringType))
            yield return EnvelopeMessages.IsInJson(name);
        if (property.FindAnnotation(RelationalAnnotationNames.ComputedColumnSql) is not null)
            yield return EnvelopeMessages.IsComputed(name);
        else if (property.FindAnnotation(RelationalAnnotationNames.DefaultValue) is not null
            || property.FindAnnotation(RelationalAnnotationNames.DefaultValueSql) is not null)
            yield return EnvelopeMessages.HasDefault(name);
        else if (property.ValueGenerated is not (ValueGenerated.Never or ValueGenerated.OnUpdateSometimes))
            yield return EnvelopeMessages.IsGenerated(name);
        if (property.FindAnnotation(RelationalAnnotationNames.ColumnType) is not null)
            yield return EnvelopeMessages.HasColumnType(name);
        if (property.FindAnnotation(RelationalAnnotationNames.Collation) is not null)
            yield return EnvelopeMessages.HasCollation(name);
        if (property.GetContainingIndexes().Any(i => IsForText(i, property)))
            yield return EnvelopeMessages.HasTextIndex(name);
        if (property.GetValueConverter() is { ConvertsNulls: true })
            yield return EnvelopeMessages.ConvertsNulls(name);
        if (HasSeed(entityType, property))
            yield return EnvelopeMessages.HasSeed(name);
    }

    // What an index compares is bytes: hashes, or envelopes. Annotations of Npgsql, which this library does not refer to.
    private static bool IsForText(IReadOnlyIndex index, IReadOnlyProperty property)
    {
        var at = index.Properties.ToList().IndexOf(property);
        bool Has(string annotation)
            => index.FindAnnotation(annotation)?.Value is IReadOnlyList<string?> each && at < each.Count && !string.IsNullOrEmpty(each[at]);
        return Has("Npgsql:IndexOperators")
            || Has(RelationalAnnotationNames.Collation)
            || index.FindAnnotation("Npgsql:TsVectorConfig") is not null
            || index.FindAnnotation("Npgsql:IndexMethod")?.Value is string method && method.ToUpperInvariant() is "GIN" or "GIST" or "SPGIST";
    }

    public static bool IsInJson(IReadOnlyTypeBase type)
        => type switch
        {
            IReadOnlyEntityType entityType => entityType.IsMappedToJson(),
            IReadOnlyComplexType complexType => complexType.IsMappedToJson() || complexType.ComplexProperty.IsCollection || IsInJson(complexType.ComplexProperty.DeclaringType),
            _ => false,
        };

    private static bool HasSeed(IReadOnlyEntityType entityType, IReadOnlyProperty property)
        => entityType.GetDerivedTypesInclusive().Any(
            t => property.DeclaringType is IReadOnlyComplexType
                ? t.GetSeedData().Any(seed => seed.ContainsKey(OutermostComplexProperty(property.DeclaringType)))
                : t.GetSeedData().Any(seed => seed.TryGetValue(property.Name, out var value) && value is not null));

    private static string OutermostComplexProperty(IReadOnlyTypeBase type)
    {
        var complexType = (IReadOnlyComplexType)type;
        return complexType.ComplexProperty.DeclaringType is IReadOnlyComplexType outer
            ? OutermostComplexProperty(outer)
            : complexType.ComplexProperty.Name;
    }
}
