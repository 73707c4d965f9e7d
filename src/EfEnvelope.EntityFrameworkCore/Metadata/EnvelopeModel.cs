using System.Runtime.CompilerServices;
using EfEnvelope.BlindIndexes;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>What a finished model says of encrypted properties and their blind indexes; read once from its annotations, so compiled models say the same.</summary>
internal sealed class EnvelopeModel
{
    private static readonly ConditionalWeakTable<IModel, EnvelopeModel> Models = [];
    private readonly Dictionary<IReadOnlyProperty, EncryptedProperty> _properties = [];
    private readonly Dictionary<IReadOnlyTypeBase, BlindIndex[]> _indexes = [];
    private readonly Dictionary<IReadOnlyTypeBase, EncryptedProperty[]> _unique = [];

    private EnvelopeModel(IModel model)
    {
        var all = model.GetEntityTypes().SelectMany(t => t.GetFlattenedDeclaredProperties()).ToList();
        foreach (var property in all.Where(p => EnvelopeConverters.TryFindField(p.GetTypeMapping().Converter, out _)))
            _properties.Add(property, new EncryptedProperty(property));
        var next = all.Where(p => p[EnvelopeAnnotations.Next] is string).ToDictionary(p => (IReadOnlyProperty)p.DeclaringType.FindProperty((string)p[EnvelopeAnnotations.Next]!)!);
        foreach (var (property, encrypted) in _properties)
            encrypted.Next = next.GetValueOrDefault(property);
        foreach (var property in all)
        {
            if (EnvelopeAnnotations.FindBlindIndex(property) is not { } definition)
                continue;
            var index = new BlindIndex(
                property, definition, [.. definition.Properties.Select(name => _properties[property.DeclaringType.FindProperty(name)!])])
            {
                Next = next.GetValueOrDefault(property),
            };
            foreach (var source in index.Sources)
                source.Indexes.Add(index);
        }

        // What a derived type inherits may be in an index that is the derived type's own: the base type does not have it.
        foreach (var type in model.GetEntityTypes())
        {
            var properties = type.GetProperties().Where(_properties.ContainsKey).Select(p => _properties[p]).ToList();
            _unique.Add(type, [.. properties.Where(p => p.Next is not null)]);
            var indexes = properties.SelectMany(p => p.Indexes).Distinct();
            _indexes.Add(type, [.. indexes.Where(i => i.Property.DeclaringType.ContainingEntityType.IsAssignableFrom(type))]);
        }
    }

    public static EnvelopeModel Of(IModel model) => Models.GetValue(model, m => new EnvelopeModel(m));

    public EncryptedProperty? Find(IReadOnlyProperty property) => _properties.GetValueOrDefault(property);

    /// <summary>Finds the blind indexes of an entity type, those of its base types included.</summary>
    public IReadOnlyList<BlindIndex> FindIndexes(IReadOnlyEntityType type) => _indexes.GetValueOrDefault(type) ?? [];

    /// <summary>Finds the properties of an entity type whose values a unique index compares themselves, those of its base types included.</summary>
    public IReadOnlyList<EncryptedProperty> FindUnique(IReadOnlyEntityType type) => _unique.GetValueOrDefault(type) ?? [];
}

/// <summary>One encrypted property of a finished model.</summary>
internal sealed class EncryptedProperty(IProperty property)
{
    private readonly bool _mayBeNull = EnvelopeConverters.MayMakeNull(property.GetTypeMapping().Converter!);

    public IProperty Property => property;

    public string Name { get; } = EnvelopeRules.NameOf(property);

    public string Field { get; } = (string)property[EnvelopeAnnotations.Context]!;

    public string PlaintextType { get; } = (string)property[EnvelopeAnnotations.PlaintextType]!;

    public bool IsDeterministic { get; } = (string?)property[EnvelopeAnnotations.Encrypted] == nameof(EncryptionMode.Deterministic);

    public bool IsText { get; } = property[EnvelopeAnnotations.Storage] is nameof(EncryptedStorage.Text);

    public bool AllowsPlaintext { get; } = EnvelopeAnnotations.AllowsPlaintext(property);

    public bool StoresPlaintext { get; } = EnvelopeAnnotations.StoresPlaintext(property);

    public ValueConverter Converter { get; } = property.GetTypeMapping().Converter!;

    /// <summary>Gets what holds the values under the next key version as well, if a unique index compares them.</summary>
    public IProperty? Next { get; set; }

    /// <summary>Gets what makes a value of <see cref="Next" />.</summary>
    public ValueConverter NextConverter => field ??= EnvelopeConverters.ForSlot(Converter, KeyRole.UniqueNext);

    /// <summary>Whether the database holds null for a value, which a converter of the application may ask for.</summary>
    public bool IsStoredAsNull(object? value)
        => value is null || (_mayBeNull && Converter.ModelClrType.IsInstanceOfType(value) && Converter.ConvertToProvider(value) is null);

    public List<BlindIndex> Indexes { get; } = [];

    /// <summary>Whether two properties that share a column are kept and compared in one way.</summary>
    public bool IsSameAs(EncryptedProperty other)
        => other == this
            || (Field == other.Field && PlaintextType == other.PlaintextType && IsDeterministic == other.IsDeterministic && IsText == other.IsText
                && AllowsPlaintext == other.AllowsPlaintext
                && Indexes.Select(i => (i.Context, i.Property.GetColumnName())).ToHashSet().SetEquals(other.Indexes.Select(i => (i.Context, i.Property.GetColumnName()))));

    /// <summary>Whether two properties are one, or share a column: of two columns of one context, neither stands for the other.</summary>
    public bool IsSameColumnAs(EncryptedProperty other)
        => other == this || (IsSameAs(other) && property.GetColumnName() == other.Property.GetColumnName());

    /// <summary>Finds the blind index of this property alone that shows a part of it, or all of it.</summary>
    public BlindIndex? FindIndex(BlindIndexProjection projection)
        => Indexes.FirstOrDefault(i => !i.Definition.IsCompound && i.Definition.Projection == projection);
}

/// <summary>One blind index of a finished model.</summary>
internal sealed class BlindIndex
{
    private readonly Func<object, byte[]>[] _write;
    private readonly Func<object, byte[]>[] _search;

    public BlindIndex(IProperty property, BlindIndexDefinition definition, IReadOnlyList<EncryptedProperty> sources)
    {
        (Property, Definition, Sources) = (property, definition, sources);
        var parts = sources.Select(
            (s, i) => new BlindIndexPart(s.Field, s.PlaintextType, definition.Normalizations[i], definition.Projection, definition.Characters)).ToList();
        Context = BlindIndexContext.Get(parts, definition.Length);
        _write = [.. sources.Select((s, i) => EnvelopeConverters.ToIndexInput(s.Converter, parts[i], searches: false))];
        _search = [.. sources.Select((s, i) => EnvelopeConverters.ToIndexInput(s.Converter, parts[i], searches: true))];
    }

    public IProperty Property { get; }

    public BlindIndexDefinition Definition { get; }

    public IReadOnlyList<EncryptedProperty> Sources { get; }

    public BlindIndexContext Context { get; }

    public string Name => $"{Property.DeclaringType.DisplayName()}.{Property.Name}";

    /// <summary>Gets what holds the hash under the next key version as well, if it is unique.</summary>
    public IProperty? Next { get; init; }

    public KeyRole WriteRole => Definition.IsUnique ? KeyRole.Unique : KeyRole.Search;

    public byte[] GetInput(int part, object value, bool searches) => (searches ? _search : _write)[part](value);
}
