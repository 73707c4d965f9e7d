using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>
/// A KEK on a token in the words of RFC 7512: <c>pkcs11:token=clinic;object=kek</c>, other characters than letters, digits and <c>-._~</c> percent-encoded.
/// </summary>
internal readonly record struct Pkcs11KeyName(string Token, string Object)
{
    public const string Scheme = "pkcs11";

    public KekUri ToKekUri() => new(Scheme, $"token={Uri.EscapeDataString(Token)};object={Uri.EscapeDataString(Object)}");

    public static bool TryParse(KekUri kek, [NotNullWhen(true)] out Pkcs11KeyName? name)
    {
        name = null;
        if (kek.Scheme != Scheme)
            return false;
        string? token = null, @object = null;
        foreach (var attribute in kek.Key.Split(';'))
        {
            if (attribute.StartsWith("token=", StringComparison.Ordinal) && token is null)
                token = Uri.UnescapeDataString(attribute["token=".Length..]);
            else if (attribute.StartsWith("object=", StringComparison.Ordinal) && @object is null)
                @object = Uri.UnescapeDataString(attribute["object=".Length..]);
            else
                return false;
        }

        if (string.IsNullOrEmpty(token) || string.IsNullOrEmpty(@object))
            return false;
        name = new Pkcs11KeyName(token, @object);
        return true;
    }

    public static void ValidateLabel(string? label)
    {
        if (string.IsNullOrWhiteSpace(label) || Encoding.UTF8.GetByteCount(label) > 200 || label.Any(char.IsControl))
            throw new ArgumentException(Pkcs11Messages.MalformedKeyLabel(label), nameof(label));
    }
}
