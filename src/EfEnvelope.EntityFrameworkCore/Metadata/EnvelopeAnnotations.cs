using System.Reflection;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>How a model says that a property is encrypted: annotations set fluently, else the attribute on the member.</summary>
internal static class EnvelopeAnnotations
{
    public const string Encrypted = "EfEnvelope:Encrypted";
    public const string Context = "EfEnvelope:Context";
    public const string PlaintextType = "EfEnvelope:PlaintextType";
    public const string Storage = "EfEnvelope:Storage";
    public const string Backfilling = "EfEnvelope:AllowPlaintextWhileBackfilling";

    public const string Decrypting = "EfEnvelope:StorePlaintextWhileDecrypting";

    /// <summary>On a property or a type, while the model is built: the blind indexes asked for.</summary>
    public const string BlindIndexes = "EfEnvelope:BlindIndexes";

    /// <summary>On the property that holds a blind index: how it is computed.</summary>
    public const string BlindIndex = "EfEnvelope:BlindIndex";

    /// <summary>On a property: the name of the one whose values it holds under the next key version, because a unique index compares them.</summary>
    public const string Next = "EfEnvelope:Next";

    /// <summary>On a property: its column gets no CHECK constraint.</summary>
    public const string Unchecked = "EfEnvelope:AllowUncheckedWrites";

    /// <summary>On an entity type: its SQL in the model may name encrypted columns.</summary>
    public const string SqlOverCiphertext = "EfEnvelope:AllowSqlOverCiphertext";

    /// <summary>On a unique index over second properties, while the model is built: the filter that the application asked for, or an empty text.</summary>
    public const string NextFilter = "EfEnvelope:NextFilter";

    /// <summary>On a model with encrypted properties: the schema of our tables, empty for the database's own default.</summary>
    public const string Schema = "EfEnvelope:Schema";

    /// <summary>On the same: the names of our tables.</summary>
    public const string Tables = "EfEnvelope:Tables";

    /// <summary>On the same: the rows of the encryption map.</summary>
    public const string Map = "EfEnvelope:Map";

    // Present while a model is being built in a context that uses envelope encryption; never part of a finished model.
    public const string Enabled = "EfEnvelope:Enabled";

    /// <summary>Finds whether a property is marked, and how.</summary>
    public static EncryptedAttribute? FindMark(IReadOnlyProperty property)
    {
        var attribute = FindAttribute(property);
        if (property.FindAnnotation(Encrypted)?.Value is not string mode)
            return attribute;
        return new EncryptedAttribute(Enum.Parse<EncryptionMode>(mode))
        {
            Context = (string?)property.FindAnnotation(Context)?.Value ?? attribute?.Context,
            Storage = property.FindAnnotation(Storage)?.Value is string storage
                ? Enum.Parse<EncryptedStorage>(storage)
                : attribute?.Storage ?? EncryptedStorage.Binary,
        };
    }

    public static EncryptedAttribute? FindAttribute(IReadOnlyPropertyBase property) => FindAttributes<EncryptedAttribute>(property).FirstOrDefault();

    public static bool AllowsPlaintext(IReadOnlyProperty property) => property.FindAnnotation(Backfilling) is not null || StoresPlaintext(property);

    public static bool IsUnchecked(IReadOnlyProperty property) => property.FindAnnotation(Unchecked) is not null;

    public static bool StoresPlaintext(IReadOnlyProperty property) => property.FindAnnotation(Decrypting) is not null;

    /// <summary>Finds the blind indexes asked for on a property, fluently or by attributes.</summary>
    public static IReadOnlyList<BlindIndexDefinition> FindBlindIndexes(IReadOnlyProperty property)
        =>
        [
            .. FindAttributes<BlindIndexAttribute>(property).Select(a => BlindIndexDefinition.Of(property.Name, a)),
            .. FindAsked(property),
        ];

    /// <summary>Finds the compound blind indexes asked for on a type.</summary>
    public static IReadOnlyList<BlindIndexDefinition> FindBlindIndexes(IReadOnlyTypeBase type)
        =>
        [
            .. FindOwnTypes(type).SelectMany(t => t.GetCustomAttributes<CompoundBlindIndexAttribute>(inherit: false)).Select(BlindIndexDefinition.Of),
            .. FindAsked(type),
        ];

    /// <summary>Finds how a property that holds a blind index is computed.</summary>
    public static BlindIndexDefinition? FindBlindIndex(IReadOnlyProperty property)
        => property.FindAnnotation(BlindIndex)?.Value is string text ? BlindIndexDefinition.Parse(text) : null;

    public static void Ask(IMutableAnnotatable annotatable, BlindIndexDefinition definition)
        => annotatable.SetAnnotation(BlindIndexes, BlindIndexDefinition.Format([.. FindAsked(annotatable), definition]));

    private static IReadOnlyList<BlindIndexDefinition> FindAsked(IReadOnlyAnnotatable annotatable)
        => annotatable.FindAnnotation(BlindIndexes)?.Value is string text ? BlindIndexDefinition.ParseAll(text) : [];

    // A base class that is not mapped belongs to each type that is; one that is mapped has its own.
    private static IEnumerable<Type> FindOwnTypes(IReadOnlyTypeBase type)
    {
        var mapped = (type as IReadOnlyEntityType)?.BaseType?.ClrType;
        for (var own = type.ClrType; own is not null && own != mapped; own = own.BaseType)
            yield return own;
    }

    private static IEnumerable<T> FindAttributes<T>(IReadOnlyPropertyBase property)
        where T : Attribute
        => property.PropertyInfo?.GetCustomAttributes<T>(inherit: true) is { } found && found.Any()
            ? found
            : property.FieldInfo?.GetCustomAttributes<T>(inherit: true) ?? [];
}
