using System.Reflection;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>How a model says that a property is encrypted: annotations set fluently, else the attribute on the member.</summary>
internal static class EnvelopeAnnotations
{
    public const string Encrypted = "EfEnvelope:Encrypted";
    public const string Context = "EfEnvelope:Context";
    public const string PlaintextType = "EfEnvelope:PlaintextType";

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
        };
    }

    public static EncryptedAttribute? FindAttribute(IReadOnlyPropertyBase property)
        => property.PropertyInfo?.GetCustomAttribute<EncryptedAttribute>(inherit: true)
            ?? property.FieldInfo?.GetCustomAttribute<EncryptedAttribute>(inherit: true);
}
