using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using EfEnvelope.Kms.Local.Access;

namespace EfEnvelope.Kms.Local;

/// <summary>Who a caller of an embedded KMS is, and the secret that proves it. It never prints its secret.</summary>
/// <remarks>
/// Its text is <c>efk_name.secret</c>, the secret being 32 random bytes in base64url. It is shown once, when the principal is made or
/// its credential rotated; the KMS keeps a keyed hash of it only.
/// </remarks>
public sealed class LocalKmsCredential : IEquatable<LocalKmsCredential>
{
    internal const int SecretSize = 32;

    private const string Prefix = "efk_";

    private readonly byte[] _secret;

    private LocalKmsCredential(string name, byte[] secret)
    {
        Name = name;
        _secret = secret;
    }

    /// <summary>Gets the name of the principal.</summary>
    public string Name { get; }

    internal ReadOnlySpan<byte> Secret => _secret;

    /// <summary>Reads the text of a credential. It is checked when it is used, not here.</summary>
    /// <param name="text">The text, as it was shown when the credential was made; from a secret store or the environment.</param>
    /// <returns>The credential.</returns>
    /// <exception cref="ArgumentException">The text is not that of a credential; the message does not quote it.</exception>
    public static LocalKmsCredential Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var dot = text.LastIndexOf('.');
        if (text.StartsWith(Prefix, StringComparison.Ordinal) && dot > Prefix.Length)
        {
            var name = text[Prefix.Length..dot];
            Span<byte> secret = stackalloc byte[SecretSize + 1];
            if (PrincipalName.IsValid(name) && text.Length - dot - 1 == Base64Url.GetEncodedLength(SecretSize)
                && Base64Url.IsValid(text.AsSpan(dot + 1), out var length) && length == SecretSize
                && Base64Url.TryDecodeFromChars(text.AsSpan(dot + 1), secret, out var written) && written == SecretSize)
            {
                return new LocalKmsCredential(name, secret[..SecretSize].ToArray());
            }
        }

        throw new ArgumentException(LocalKmsAccessMessages.MalformedCredential(), nameof(text));
    }

    /// <inheritdoc />
    public bool Equals(LocalKmsCredential? other)
        => other is not null && Name == other.Name && CryptographicOperations.FixedTimeEquals(_secret, other._secret);

    /// <inheritdoc />
    public override bool Equals(object? obj) => Equals(obj as LocalKmsCredential);

    /// <inheritdoc />
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <summary>Returns the name of the principal, without the secret.</summary>
    /// <returns>Such as <c>LocalKmsCredential(clinic-app)</c>.</returns>
    public override string ToString() => $"LocalKmsCredential({Name})";

    internal static LocalKmsCredential Create(string name) => new(name, RandomNumberGenerator.GetBytes(SecretSize));

    internal string Reveal() => new StringBuilder(Prefix).Append(Name).Append('.').Append(Base64Url.EncodeToString(_secret)).ToString();
}
