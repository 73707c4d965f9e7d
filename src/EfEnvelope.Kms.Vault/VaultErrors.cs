using System.Text.Json;

namespace EfEnvelope.Kms.Vault;

/// <summary>What a status and Vault's own words, <c>{"errors":[…]}</c>, mean. Most refusals are 400 and differ in the words only.</summary>
internal static class VaultErrors
{
    public static KmsException ToKmsException(int status, ReadOnlyMemory<byte> body, KekUri kek)
    {
        var errors = Read(body);
        var text = string.Join("; ", errors);
        var said = Quote(text);
        return status switch
        {
            400 => FromBadRequest(text, said, kek),
            _ when IsRefusal(status, body) => new(KmsErrorKind.Unauthenticated, VaultMessages.Denied(kek, kek.Key, "update")),
            404 when text.Contains("no handler for route", StringComparison.Ordinal) => new(KmsErrorKind.NotFound, VaultMessages.NoEngine(kek, said)),
            404 => new(KmsErrorKind.NotFound, VaultMessages.NoKey(kek)),
            429 => new(KmsErrorKind.Throttled, VaultMessages.Throttled(kek, said)),
            503 when text.Contains("sealed", StringComparison.OrdinalIgnoreCase) => new(KmsErrorKind.Unavailable, VaultMessages.Sealed(kek)),
            // 412: this node has not yet seen what the token needs. 472, 473: a standby of disaster recovery or performance.
            403 or 407 or 412 or 472 or 473 or >= 500 => new(KmsErrorKind.Unavailable, VaultMessages.Unavailable(kek, status, said)),
            >= 300 and < 400 => new(KmsErrorKind.Unavailable, VaultMessages.Redirected(kek, status)),
            _ => new(KmsErrorKind.InvalidRequest, VaultMessages.Refused(kek, status, said)),
        };
    }

    /// <summary>Tells whether an answer is a refusal of Vault's own. Vault says why; a page of a proxy does not, in Vault's form.</summary>
    public static bool IsRefusal(int status, ReadOnlyMemory<byte> body) => status == 401 || (status == 403 && Read(body).Count > 0);

    public static string Quote(ReadOnlyMemory<byte> body) => Quote(string.Join("; ", Read(body)));

    private static KmsException FromBadRequest(string text, string said, KekUri kek)
    {
        bool Says(string words) => text.Contains(words, StringComparison.Ordinal);

        if (Says("encryption key not found"))
            return new(KmsErrorKind.NotFound, VaultMessages.NoKey(kek));
        if (Says("too old"))
            return new(KmsErrorKind.Disabled, VaultMessages.VersionTooOld(kek));
        if (Says("message authentication failed") || Says("invalid ciphertext") || Says("version is too new"))
            return new(KmsErrorKind.InvalidCiphertext, VaultMessages.WrappedKeyRefused(kek));
        if (Says("missing client token"))
            return new(KmsErrorKind.Unauthenticated, VaultMessages.Denied(kek, kek.Key, "update"));
        if (Says("not supported for key type") || Says("associated_data") || Says("key derivation") || Says("convergent"))
            return new(KmsErrorKind.InvalidRequest, VaultMessages.KeyNotSuitable(kek, text.Length > 200 ? text[..200] : text));
        return new(KmsErrorKind.InvalidRequest, VaultMessages.Refused(kek, 400, said));
    }

    // Only what has the form of Vault's own errors is repeated, never a proxy's page.
    private static List<string> Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("errors", out var errors) && errors.ValueKind == JsonValueKind.Array
                ? [.. errors.EnumerateArray().Where(e => e.ValueKind == JsonValueKind.String).Select(e => e.GetString()!)]
                : [];
        }
        catch (JsonException)
        {
            return [];
        }
    }

    private static string Quote(string text)
    {
        if (text.Length == 0)
            return "";
        var line = new string([.. text.Take(200).Select(c => char.IsControl(c) ? ' ' : c)]);
        return $": {line.Trim()}";
    }
}
