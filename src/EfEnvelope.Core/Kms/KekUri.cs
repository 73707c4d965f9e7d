using System.Diagnostics.CodeAnalysis;
using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>
/// Names a key-encryption key (KEK): the provider and the key in one string, such as <c>local:clinic</c> or
/// <c>aws-kms:alias/clinic</c>.
/// </summary>
/// <remarks>
/// The scheme is lower-case letters, digits and hyphens; what follows the first colon belongs to the provider. A KEK URI is
/// stored beside every wrapped key and is not secret.
/// </remarks>
public readonly record struct KekUri
{
    private readonly string? _value;

    /// <summary>Names a KEK by its provider's scheme and the provider's own name for the key.</summary>
    /// <param name="scheme">The provider, such as <c>local</c>.</param>
    /// <param name="key">The provider's name for the key, such as <c>clinic</c>.</param>
    /// <exception cref="ArgumentException">The scheme or the key is empty or malformed.</exception>
    public KekUri(string scheme, string key)
        : this($"{scheme}:{key}")
    {
        if (Scheme != scheme)
            throw new ArgumentException(Messages.MalformedKekUri(_value), nameof(scheme));
    }

    /// <summary>Reads a KEK URI such as <c>local:clinic</c>.</summary>
    /// <param name="value">The text.</param>
    /// <exception cref="ArgumentException">The text is not <c>scheme:key</c>.</exception>
    public KekUri(string value)
    {
        if (!IsWellFormed(value))
            throw new ArgumentException(Messages.MalformedKekUri(value), nameof(value));
        _value = value;
    }

    /// <summary>Gets the provider's scheme, such as <c>local</c>.</summary>
    public string Scheme => Value[..Value.IndexOf(':')];

    /// <summary>Gets the provider's name for the key.</summary>
    public string Key => Value[(Value.IndexOf(':') + 1)..];

    private string Value => _value ?? throw new InvalidOperationException(Messages.MalformedKekUri(null));

    /// <summary>Reads a KEK URI without throwing.</summary>
    /// <param name="value">The text.</param>
    /// <param name="uri">The KEK URI when the text is well formed.</param>
    /// <returns>Whether the text is well formed.</returns>
    public static bool TryParse([NotNullWhen(true)] string? value, out KekUri uri)
    {
        var wellFormed = IsWellFormed(value);
        uri = wellFormed ? new KekUri(value!) : default;
        return wellFormed;
    }

    /// <inheritdoc />
    public override string ToString() => _value ?? "";

    private static bool IsWellFormed([NotNullWhen(true)] string? value)
    {
        var colon = value?.IndexOf(':') ?? -1;
        return colon > 0
            && colon < value!.Length - 1
            && value.Length <= 2048
            && value.AsSpan(0, colon).IndexOfAnyExcept("abcdefghijklmnopqrstuvwxyz0123456789-") < 0
            && !value.Any(char.IsControl);
    }
}
