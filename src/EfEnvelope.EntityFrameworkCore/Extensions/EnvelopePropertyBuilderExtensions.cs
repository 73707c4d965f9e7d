using EfEnvelope;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Encrypts properties by fluent configuration.</summary>
public static class EnvelopePropertyBuilderExtensions
{
    /// <summary>Encrypts this property in the database, as <see cref="EncryptedAttribute" /> does.</summary>
    /// <typeparam name="TProperty">The property's type.</typeparam>
    /// <param name="property">The property.</param>
    /// <param name="mode">How equal values are encrypted; <see langword="null" /> for what the attribute says, else <see cref="EncryptionMode.Randomized" />.</param>
    /// <param name="context">The stable name its values are bound to; see <see cref="EncryptedAttribute.Context" />.</param>
    /// <param name="storage">What kind of column holds the envelopes; <see langword="null" /> for what the attribute says, else <see cref="EncryptedStorage.Binary" />.</param>
    /// <returns>The same builder.</returns>
    public static PropertyBuilder<TProperty> IsEncrypted<TProperty>(
        this PropertyBuilder<TProperty> property, EncryptionMode? mode = null, string? context = null, EncryptedStorage? storage = null)
    {
        ArgumentNullException.ThrowIfNull(property);
        Mark(property.Metadata, mode, context, storage);
        return property;
    }

    /// <summary>Encrypts this property in the database, as <see cref="EncryptedAttribute" /> does.</summary>
    /// <param name="property">The property.</param>
    /// <param name="mode">How equal values are encrypted; <see langword="null" /> for what the attribute says, else <see cref="EncryptionMode.Randomized" />.</param>
    /// <param name="context">The stable name its values are bound to; see <see cref="EncryptedAttribute.Context" />.</param>
    /// <param name="storage">What kind of column holds the envelopes; <see langword="null" /> for what the attribute says, else <see cref="EncryptedStorage.Binary" />.</param>
    /// <returns>The same builder.</returns>
    public static PropertyBuilder IsEncrypted(
        this PropertyBuilder property, EncryptionMode? mode = null, string? context = null, EncryptedStorage? storage = null)
    {
        ArgumentNullException.ThrowIfNull(property);
        Mark(property.Metadata, mode, context, storage);
        return property;
    }

    /// <summary>Encrypts this property in the database, as <see cref="EncryptedAttribute" /> does.</summary>
    /// <typeparam name="TProperty">The property's type.</typeparam>
    /// <param name="property">The property of a complex type.</param>
    /// <param name="mode">How equal values are encrypted; <see langword="null" /> for what the attribute says, else <see cref="EncryptionMode.Randomized" />.</param>
    /// <param name="context">The stable name its values are bound to; see <see cref="EncryptedAttribute.Context" />.</param>
    /// <param name="storage">What kind of column holds the envelopes; <see langword="null" /> for what the attribute says, else <see cref="EncryptedStorage.Binary" />.</param>
    /// <returns>The same builder.</returns>
    public static ComplexTypePropertyBuilder<TProperty> IsEncrypted<TProperty>(
        this ComplexTypePropertyBuilder<TProperty> property, EncryptionMode? mode = null, string? context = null, EncryptedStorage? storage = null)
    {
        ArgumentNullException.ThrowIfNull(property);
        Mark(property.Metadata, mode, context, storage);
        return property;
    }

    /// <summary>Encrypts this collection in the database, whole, as <see cref="EncryptedAttribute" /> does.</summary>
    /// <param name="property">The primitive collection.</param>
    /// <param name="mode">How equal values are encrypted; <see langword="null" /> for what the attribute says, else <see cref="EncryptionMode.Randomized" />.</param>
    /// <param name="context">The stable name its values are bound to; see <see cref="EncryptedAttribute.Context" />.</param>
    /// <param name="storage">What kind of column holds the envelopes; <see langword="null" /> for what the attribute says, else <see cref="EncryptedStorage.Binary" />.</param>
    /// <returns>The same builder.</returns>
    public static PrimitiveCollectionBuilder IsEncrypted(
        this PrimitiveCollectionBuilder property, EncryptionMode? mode = null, string? context = null, EncryptedStorage? storage = null)
    {
        ArgumentNullException.ThrowIfNull(property);
        Mark(property.Metadata, mode, context, storage);
        return property;
    }

    /// <summary>
    /// While a text column that exists is being backfilled: reads return a text that is no envelope as it is, and equality queries send the value in clear
    /// text, too. Writes are always encrypted. Remove it when the backfill has ended: from then on such a text raises the alarm.
    /// </summary>
    /// <typeparam name="TProperty">The property's type.</typeparam>
    /// <param name="property">A property that is encrypted with <see cref="EncryptedStorage.Text" />.</param>
    /// <returns>The same builder.</returns>
    public static PropertyBuilder<TProperty> AllowPlaintextWhileBackfilling<TProperty>(this PropertyBuilder<TProperty> property)
    {
        ArgumentNullException.ThrowIfNull(property);
        Set(property.Metadata, EnvelopeAnnotations.Backfilling);
        return property;
    }

    /// <inheritdoc cref="AllowPlaintextWhileBackfilling{TProperty}(PropertyBuilder{TProperty})" />
    public static PropertyBuilder AllowPlaintextWhileBackfilling(this PropertyBuilder property)
    {
        ArgumentNullException.ThrowIfNull(property);
        Set(property.Metadata, EnvelopeAnnotations.Backfilling);
        return property;
    }

    /// <inheritdoc cref="AllowPlaintextWhileBackfilling{TProperty}(PropertyBuilder{TProperty})" />
    public static ComplexTypePropertyBuilder<TProperty> AllowPlaintextWhileBackfilling<TProperty>(this ComplexTypePropertyBuilder<TProperty> property)
    {
        ArgumentNullException.ThrowIfNull(property);
        Set(property.Metadata, EnvelopeAnnotations.Backfilling);
        return property;
    }

    /// <summary>Gives this encrypted property a blind index, as <see cref="BlindIndexAttribute" /> does, so that queries can find it.</summary>
    /// <typeparam name="TProperty">The property's type.</typeparam>
    /// <param name="property">The property.</param>
    /// <param name="normalization">Which values are equal to a query.</param>
    /// <param name="projection">Which part of the value is hashed: all of it for <c>==</c>, the first or last characters for <c>StartsWith</c> or <c>EndsWith</c>.</param>
    /// <param name="characters">How many characters the part has.</param>
    /// <param name="length">How many bytes of the keyed hash are kept, from 8 to 32.</param>
    /// <param name="isUnique">Whether no two rows may have equal values.</param>
    /// <param name="name">The name of the column that holds it, or <see langword="null" /> for the property's column with a suffix.</param>
    /// <param name="allowMissingWhileBackfilling">
    /// For a table that has rows: adds the column without requiring that every row has its hash. Queries refuse to use the index until this is removed,
    /// which makes the database check that no row lacks it.
    /// </param>
    /// <returns>The same builder.</returns>
    public static PropertyBuilder<TProperty> HasBlindIndex<TProperty>(
        this PropertyBuilder<TProperty> property,
        Normalization normalization = Normalization.Exact,
        BlindIndexProjection projection = BlindIndexProjection.Whole,
        int characters = 0,
        int length = 16,
        bool isUnique = false,
        string? name = null,
        bool allowMissingWhileBackfilling = false)
    {
        HasBlindIndex((PropertyBuilder)property, normalization, projection, characters, length, isUnique, name, allowMissingWhileBackfilling);
        return property;
    }

    /// <inheritdoc cref="HasBlindIndex{TProperty}(PropertyBuilder{TProperty}, Normalization, BlindIndexProjection, int, int, bool, string?, bool)" />
    public static PropertyBuilder HasBlindIndex(
        this PropertyBuilder property,
        Normalization normalization = Normalization.Exact,
        BlindIndexProjection projection = BlindIndexProjection.Whole,
        int characters = 0,
        int length = 16,
        bool isUnique = false,
        string? name = null,
        bool allowMissingWhileBackfilling = false)
    {
        ArgumentNullException.ThrowIfNull(property);
        Require(property.Metadata);
        EnvelopeAnnotations.Ask(
            property.Metadata,
            new BlindIndexDefinition
            {
                Properties = [property.Metadata.Name],
                Normalizations = [normalization],
                Projection = projection,
                Characters = characters,
                Length = length,
                IsUnique = isUnique,
                Name = name,
                AllowsMissing = allowMissingWhileBackfilling,
            });
        return property;
    }

    // What is not said here stays as it was said before.
    private static void Mark(IMutableProperty property, EncryptionMode? mode, string? context, EncryptedStorage? storage)
    {
        Require(property);
        var mark = EnvelopeAnnotations.FindMark(property);
        property.SetAnnotation(EnvelopeAnnotations.Encrypted, (mode ?? mark?.Mode ?? EncryptionMode.Randomized).ToString());
        property.SetAnnotation(EnvelopeAnnotations.Context, context ?? mark?.Context);
        property.SetAnnotation(EnvelopeAnnotations.Storage, (storage ?? mark?.Storage ?? EncryptedStorage.Binary).ToString());
    }

    /// <summary>
    /// The safe first step in both directions, before a text column is encrypted in place and before it stops being encrypted: reads return both plaintext
    /// and envelopes, and writes store plaintext, so that instances of an earlier build, which know nothing of envelopes, keep working beside this one.
    /// When every instance of the earlier build has ended: to encrypt, call <c>AllowPlaintextWhileBackfilling()</c> instead; to stop encrypting, run
    /// 'efenvelope decrypt' and remove the mark.
    /// </summary>
    /// <typeparam name="TProperty">The type of the property.</typeparam>
    /// <param name="property">The property, with <see cref="EncryptedStorage.Text" />.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="EnvelopeConfigurationException">The context does not use envelope encryption.</exception>
    public static PropertyBuilder<TProperty> StorePlaintextDuringTransition<TProperty>(this PropertyBuilder<TProperty> property)
    {
        StorePlaintextDuringTransition((PropertyBuilder)property);
        return property;
    }

    /// <inheritdoc cref="StorePlaintextDuringTransition{TProperty}(PropertyBuilder{TProperty})" />
    public static PropertyBuilder StorePlaintextDuringTransition(this PropertyBuilder property)
    {
        ArgumentNullException.ThrowIfNull(property);
        Set(property.Metadata, EnvelopeAnnotations.Decrypting);
        return property;
    }

    /// <inheritdoc cref="StorePlaintextDuringTransition{TProperty}(PropertyBuilder{TProperty})" />
    public static ComplexTypePropertyBuilder<TProperty> StorePlaintextDuringTransition<TProperty>(this ComplexTypePropertyBuilder<TProperty> property)
    {
        ArgumentNullException.ThrowIfNull(property);
        Set(property.Metadata, EnvelopeAnnotations.Decrypting);
        return property;
    }

    /// <inheritdoc cref="StorePlaintextDuringTransition{TProperty}(PropertyBuilder{TProperty})" />
    [Obsolete("Call 'StorePlaintextDuringTransition()', which does the same.")]
    public static PropertyBuilder<TProperty> StorePlaintextWhileDecrypting<TProperty>(this PropertyBuilder<TProperty> property)
        => StorePlaintextDuringTransition(property);

    /// <inheritdoc cref="StorePlaintextDuringTransition{TProperty}(PropertyBuilder{TProperty})" />
    [Obsolete("Call 'StorePlaintextDuringTransition()', which does the same.")]
    public static PropertyBuilder StorePlaintextWhileDecrypting(this PropertyBuilder property) => StorePlaintextDuringTransition(property);

    /// <summary>
    /// Gives the column of this encrypted property no CHECK constraint, so that the database accepts any bytes or text in it: raw SQL and programs without
    /// this library can then store plaintext, which EfEnvelope reports only when it reads the row.
    /// </summary>
    /// <typeparam name="TProperty">The type of the property.</typeparam>
    /// <param name="property">The encrypted property.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="EnvelopeConfigurationException">The context does not use envelope encryption.</exception>
    public static PropertyBuilder<TProperty> AllowUncheckedWrites<TProperty>(this PropertyBuilder<TProperty> property)
    {
        AllowUncheckedWrites((PropertyBuilder)property);
        return property;
    }

    /// <inheritdoc cref="AllowUncheckedWrites{TProperty}(PropertyBuilder{TProperty})" />
    public static PropertyBuilder AllowUncheckedWrites(this PropertyBuilder property)
    {
        ArgumentNullException.ThrowIfNull(property);
        Set(property.Metadata, EnvelopeAnnotations.Unchecked);
        return property;
    }

    /// <inheritdoc cref="AllowUncheckedWrites{TProperty}(PropertyBuilder{TProperty})" />
    public static ComplexTypePropertyBuilder<TProperty> AllowUncheckedWrites<TProperty>(this ComplexTypePropertyBuilder<TProperty> property)
    {
        ArgumentNullException.ThrowIfNull(property);
        Set(property.Metadata, EnvelopeAnnotations.Unchecked);
        return property;
    }

    /// <inheritdoc cref="AllowUncheckedWrites{TProperty}(PropertyBuilder{TProperty})" />
    public static PrimitiveCollectionBuilder AllowUncheckedWrites(this PrimitiveCollectionBuilder property)
    {
        ArgumentNullException.ThrowIfNull(property);
        Set(property.Metadata, EnvelopeAnnotations.Unchecked);
        return property;
    }

    private static void Set(IMutableProperty property, string annotation)
    {
        Require(property);
        property.SetAnnotation(annotation, true);
    }

    // Without the plug-in the mark would mean nothing, and the property would be stored in clear text.
    private static void Require(IMutableProperty property)
    {
        if (property.DeclaringType.Model.FindAnnotation(EnvelopeAnnotations.Enabled) is null)
            throw new EnvelopeConfigurationException(EnvelopeMessages.MarkedWithoutEncryption(EnvelopeRules.NameOf(property)));
    }
}
