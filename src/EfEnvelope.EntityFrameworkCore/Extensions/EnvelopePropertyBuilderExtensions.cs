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
    /// <param name="mode">How equal values are encrypted.</param>
    /// <param name="context">The stable name its values are bound to; see <see cref="EncryptedAttribute.Context" />.</param>
    /// <returns>The same builder.</returns>
    public static PropertyBuilder<TProperty> IsEncrypted<TProperty>(
        this PropertyBuilder<TProperty> property, EncryptionMode mode = EncryptionMode.Randomized, string? context = null)
    {
        ArgumentNullException.ThrowIfNull(property);
        Mark(property.Metadata, mode, context);
        return property;
    }

    /// <summary>Encrypts this property in the database, as <see cref="EncryptedAttribute" /> does.</summary>
    /// <param name="property">The property.</param>
    /// <param name="mode">How equal values are encrypted.</param>
    /// <param name="context">The stable name its values are bound to; see <see cref="EncryptedAttribute.Context" />.</param>
    /// <returns>The same builder.</returns>
    public static PropertyBuilder IsEncrypted(
        this PropertyBuilder property, EncryptionMode mode = EncryptionMode.Randomized, string? context = null)
    {
        ArgumentNullException.ThrowIfNull(property);
        Mark(property.Metadata, mode, context);
        return property;
    }

    /// <summary>Encrypts this property in the database, as <see cref="EncryptedAttribute" /> does.</summary>
    /// <typeparam name="TProperty">The property's type.</typeparam>
    /// <param name="property">The property of a complex type.</param>
    /// <param name="mode">How equal values are encrypted.</param>
    /// <param name="context">The stable name its values are bound to; see <see cref="EncryptedAttribute.Context" />.</param>
    /// <returns>The same builder.</returns>
    public static ComplexTypePropertyBuilder<TProperty> IsEncrypted<TProperty>(
        this ComplexTypePropertyBuilder<TProperty> property, EncryptionMode mode = EncryptionMode.Randomized, string? context = null)
    {
        ArgumentNullException.ThrowIfNull(property);
        Mark(property.Metadata, mode, context);
        return property;
    }

    /// <summary>Encrypts this collection in the database, whole, as <see cref="EncryptedAttribute" /> does.</summary>
    /// <param name="property">The primitive collection.</param>
    /// <param name="mode">How equal values are encrypted.</param>
    /// <param name="context">The stable name its values are bound to; see <see cref="EncryptedAttribute.Context" />.</param>
    /// <returns>The same builder.</returns>
    public static PrimitiveCollectionBuilder IsEncrypted(
        this PrimitiveCollectionBuilder property, EncryptionMode mode = EncryptionMode.Randomized, string? context = null)
    {
        ArgumentNullException.ThrowIfNull(property);
        Mark(property.Metadata, mode, context);
        return property;
    }

    // Without the plug-in the mark would mean nothing, and the property would be stored in clear text.
    private static void Mark(IMutableProperty property, EncryptionMode mode, string? context)
    {
        if (property.DeclaringType.Model.FindAnnotation(EnvelopeAnnotations.Enabled) is null)
            throw new EnvelopeConfigurationException(EnvelopeMessages.MarkedWithoutEncryption(EnvelopeRules.NameOf(property)));
        property.SetAnnotation(EnvelopeAnnotations.Encrypted, mode.ToString());
        property.SetAnnotation(EnvelopeAnnotations.Context, context);
    }
}
