using System.ComponentModel;
using System.Linq.Expressions;
using System.Text.Json;
using Microsoft.EntityFrameworkCore.Storage.Json;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>
/// Refuses to read or write an envelope inside a JSON document. EF Core wants one before it maps a list of values; a value inside JSON would not be
/// encrypted, so it never runs. Public for compiled models, which name it.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class EnvelopeJsonReaderWriter : JsonValueReaderWriter<Envelope>
{
    private EnvelopeJsonReaderWriter()
    {
    }

    /// <summary>Gets the one instance.</summary>
    public static EnvelopeJsonReaderWriter Instance { get; } = new();

    /// <inheritdoc />
    public override Expression ConstructorExpression => Expression.Property(null, typeof(EnvelopeJsonReaderWriter), nameof(Instance));

    /// <inheritdoc />
    public override Envelope FromJsonTyped(ref Utf8JsonReaderManager manager, object? existingObject = null)
        => throw new EnvelopeConfigurationException(EnvelopeMessages.NotInJson());

    /// <inheritdoc />
    public override void ToJsonTyped(Utf8JsonWriter writer, Envelope value) => throw new EnvelopeConfigurationException(EnvelopeMessages.NotInJson());
}

/// <summary>The same for text columns.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class TextEnvelopeJsonReaderWriter : JsonValueReaderWriter<TextEnvelope>
{
    private TextEnvelopeJsonReaderWriter()
    {
    }

    /// <summary>Gets the one instance.</summary>
    public static TextEnvelopeJsonReaderWriter Instance { get; } = new();

    /// <inheritdoc />
    public override Expression ConstructorExpression => Expression.Property(null, typeof(TextEnvelopeJsonReaderWriter), nameof(Instance));

    /// <inheritdoc />
    public override TextEnvelope FromJsonTyped(ref Utf8JsonReaderManager manager, object? existingObject = null)
        => throw new EnvelopeConfigurationException(EnvelopeMessages.NotInJson());

    /// <inheritdoc />
    public override void ToJsonTyped(Utf8JsonWriter writer, TextEnvelope value) => throw new EnvelopeConfigurationException(EnvelopeMessages.NotInJson());
}
