using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Apis.Auth.OAuth2;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

/// <summary>A service account whose token server is on loopback: its JSON key, and the check of what it signs.</summary>
internal static class GoogleServiceAccount
{
    private const string Email = "clinic@efenvelope-tests.iam.gserviceaccount.com";
    private const string Audience = "https://oauth2.googleapis.com/token";
    private const string Id = "0123456789abcdef0123456789abcdef01234567";

    private static readonly RSA Key = RSA.Create(2048);

    /// <summary>A line of the private key, which must appear nowhere.</summary>
    public static string SecretLine { get; } = Key.ExportPkcs8PrivateKeyPem().Split('\n')[5];

    public static string Json(Uri server, string? quotaProject = null, string? universe = null) => new JsonObject
    {
        ["type"] = "service_account",
        ["project_id"] = "efenvelope-tests",
        ["private_key_id"] = Id,
        ["private_key"] = Key.ExportPkcs8PrivateKeyPem(),
        ["client_email"] = Email,
        ["client_id"] = "100000000000000000001",
        ["token_uri"] = new Uri(server, "/token").AbsoluteUri,
        ["quota_project_id"] = quotaProject,
        ["universe_domain"] = universe,
    }.ToJsonString();

    public static GoogleCredential Credential(Uri server, string? quotaProject = null, string? universe = null)
        => CredentialFactory.FromJson<ServiceAccountCredential>(Json(server, quotaProject, universe)).ToGoogleCredential();

    /// <summary>Says what is wrong with a signed assertion, as Google's token server would; nothing when it is right.</summary>
    public static string? Check(string assertion)
    {
        var parts = assertion.Split('.');
        if (parts.Length != 3)
            return "not a JWT";
        var header = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[0])).RootElement;
        var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1])).RootElement;
        if (header.GetProperty("alg").GetString() != "RS256" || header.GetProperty("kid").GetString() != Id)
            return "another algorithm or key";
        if (!Key.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))
            return "a wrong signature";
        var (issued, expires) = (claims.GetProperty("iat").GetInt64(), claims.GetProperty("exp").GetInt64());
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        if (issued > now + 60 || expires < now || expires - issued > 3600)
            return "another time";
        if (claims.GetProperty("iss").GetString() != Email || claims.GetProperty("aud").GetString() != Audience)
            return "another issuer or audience";
        return claims.GetProperty("scope").GetString() == "https://www.googleapis.com/auth/cloudkms" ? null : "another scope";
    }
}
