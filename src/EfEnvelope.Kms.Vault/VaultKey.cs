using System.Globalization;
using System.Text.Json;

namespace EfEnvelope.Kms.Vault;

/// <summary>What <c>GET keys/{key}</c> says of a transit key.</summary>
internal sealed record VaultKey(string Type, int LatestVersion, bool IsDerived, bool CanLeave, DateTimeOffset? CreatedAt)
{
    public static VaultKey Read(JsonElement data)
        => new(
            data.GetProperty("type").GetString()!,
            data.GetProperty("latest_version").GetInt32(),
            Is(data, "derived"),
            Is(data, "exportable") || Is(data, "allow_plaintext_backup"),
            CreatedAtOf(data));

    /// <summary>Refuses a key that cannot bind a context, or has a context of its own.</summary>
    public void Require(KekUri kek)
    {
        // By the ends of the names, so that ciphers to come pass: all with associated data are AEAD, and say so there.
        if (!Type.EndsWith("-gcm96", StringComparison.Ordinal) && !Type.EndsWith("-poly1305", StringComparison.Ordinal))
            throw new KmsException(KmsErrorKind.InvalidRequest, VaultMessages.KeyNotSuitable(kek, $"type '{Type}'"));
        if (IsDerived)
            throw new KmsException(KmsErrorKind.InvalidRequest, VaultMessages.KeyNotSuitable(kek, "derived"));
    }

    public KekDescription ToDescription(KekUri kek)
        => new(kek, KekState.Enabled)
        {
            PrimaryVersion = LatestVersion.ToString(CultureInfo.InvariantCulture),
            Protection = CanLeave ? $"transit {Type}, exportable" : $"transit {Type}",
            CreatedAt = CreatedAt,
        };

    private static bool Is(JsonElement data, string name) => data.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    // The oldest version that is still there, by Unix time.
    private static DateTimeOffset? CreatedAtOf(JsonElement data)
    {
        if (!data.TryGetProperty("keys", out var keys) || keys.ValueKind != JsonValueKind.Object)
            return null;
        var seconds = keys.EnumerateObject().Where(v => v.Value.ValueKind == JsonValueKind.Number).Select(v => v.Value.GetInt64()).DefaultIfEmpty(-1).Min();
        return seconds is < 0 or > 253_402_300_799 ? null : DateTimeOffset.FromUnixTimeSeconds(seconds);
    }
}
