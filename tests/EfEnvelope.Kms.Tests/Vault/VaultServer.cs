using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using EfEnvelope.Kms.Tests.Http;
using Microsoft.AspNetCore.Http;

namespace EfEnvelope.Kms.Tests.Vault;

/// <summary>
/// Vault with a transit engine, as its source has it: 400 for nearly everything, a key made by the first encryption under its name if the policy has 'create',
/// tokens with leases and a longest life, namespaces. Its words are Vault's own.
/// </summary>
internal sealed partial class VaultServer(TimeProvider time) : KmsServer
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, IssuedToken> _tokens = [];

    public sealed record IssuedToken(DateTimeOffset EndsAt, DateTimeOffset LatestEnd, bool Renewable);

    public sealed class TransitKey
    {
        public string Type { get; set; } = "aes256-gcm96";

        public bool Derived { get; set; }

        public int MinDecryptionVersion { get; set; } = 1;

        public List<byte[]> Versions { get; } = [RandomNumberGenerator.GetBytes(32)];
    }

    public Dictionary<string, TransitKey> Keys { get; } = [];

    /// <summary>Gets what every token may do, by the first part of the path and the key's name: <c>encrypt/first</c>.</summary>
    public Dictionary<string, string[]> Policy { get; } = [];

    public string? Namespace { get; set; }

    public string SecretId { get; set; } = $"secret-{RandomNumberGenerator.GetHexString(32)}";

    public string RoleId => "role-1";

    public string Jwt { get; set; } = "eyJ.service.account";

    public TimeSpan Lease { get; set; } = TimeSpan.FromHours(1);

    public TimeSpan LongestLife { get; set; } = TimeSpan.FromHours(4);

    public bool Renewable { get; set; } = true;

    /// <summary>Gets or sets how the next renewals are answered.</summary>
    public int? RenewalStatus { get; set; }

    public int Logins { get; private set; }

    public int Renewals { get; private set; }

    public IEnumerable<string> TokensIssued
    {
        get
        {
            lock (_lock)
                return [.. _tokens.Keys];
        }
    }

    public string Issue()
    {
        var token = $"hvs.{RandomNumberGenerator.GetHexString(48)}";
        var now = time.GetUtcNow();
        lock (_lock)
            _tokens[token] = new IssuedToken(now + Lease, now + LongestLife, Renewable);
        return token;
    }

    public void RevokeAll()
    {
        lock (_lock)
            _tokens.Clear();
    }

    protected override bool IsForCredentials(HttpContext context) => context.Request.Path.StartsWithSegments("/v1/auth");

    protected override Task AnswerFaultAsync(HttpContext context, ServerFault fault)
        => fault == ServerFault.Throttled
            ? RefuseAsync(context, 429, $"request path \"{context.Request.Path.Value![4..]}\": rate limit quota exceeded")
            : RefuseAsync(context, 503, "Vault is sealed");

    protected override Task AnswerAsync(HttpContext context, byte[] body)
    {
        var (method, path) = (context.Request.Method, context.Request.Path.Value!);
        Check(context, body);
        if (!path.StartsWith("/v1/", StringComparison.Ordinal))
            return RefuseAsync(context, 404);
        var relative = path["/v1/".Length..];
        var given = context.Request.Headers["X-Vault-Namespace"].FirstOrDefault();
        if (given?.Trim('/') != Namespace?.Trim('/'))
            return RefuseAsync(context, 403, "permission denied");
        if (relative is "auth/approle/login" or "auth/kubernetes/login" && method == "POST")
            return LogInAsync(context, relative, body);
        lock (_lock)
        {
            if (!_tokens.TryGetValue(context.Request.Headers["X-Vault-Token"].ToString(), out var token) || token.EndsAt <= time.GetUtcNow())
                return RefuseAsync(context, 403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
            return (method, relative) switch
            {
                ("GET", "auth/token/lookup-self") => WriteAsync(context, 200, """{"data":{"policies":["default","clinic"],"type":"service"}}"""),
                ("POST", "auth/token/renew-self") => RenewAsync(context, token),
                _ => TransitAsync(context, method, relative, body),
            };
        }
    }

    private void Check(HttpContext context, byte[] body)
    {
        if (context.Request.Headers["X-Vault-Request"] != "true")
            Complain("The header X-Vault-Request is missing.");
        if (context.Request.Method == "POST" && context.Request.ContentType != "application/json")
            Complain($"Content-Type {context.Request.ContentType}");
        if (context.Request.Method == "GET" && body.Length > 0)
            Complain("A GET has a body.");
    }

    private Task LogInAsync(HttpContext context, string path, byte[] body)
    {
        var fields = JsonNode.Parse(body)!.AsObject();
        var (expected, refusal) = path.Contains("approle", StringComparison.Ordinal)
            ? ($"role_id={RoleId};secret_id={SecretId}", (400, "invalid role or secret ID"))
            : ($"jwt={Jwt};role={RoleId}", (403, "permission denied"));
        if (context.Request.Headers.ContainsKey("X-Vault-Token"))
            Complain("A login carries a token.");
        lock (_lock)
            Logins++;
        if (string.Join(';', fields.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => $"{f.Key}={f.Value}")) != expected)
            return RefuseAsync(context, refusal.Item1, refusal.Item2);
        var token = Issue();
        return WriteAuthAsync(context, token, Lease);
    }

    private Task RenewAsync(HttpContext context, IssuedToken token)
    {
        Renewals++;
        if (RenewalStatus is { } status)
            return RefuseAsync(context, status, status == 400 ? "lease is not renewable" : "internal error");
        var name = context.Request.Headers["X-Vault-Token"].ToString();
        var now = time.GetUtcNow();
        var end = now + Lease < token.LatestEnd ? now + Lease : token.LatestEnd;
        _tokens[name] = token with { EndsAt = end };
        return WriteAuthAsync(context, name, end - now);
    }

    private Task WriteAuthAsync(HttpContext context, string token, TimeSpan lease)
        => WriteAsync(context, 200, $$"""
            {"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"data":null,"auth":{"client_token":"{{token}}","accessor":"a","policies":["default","clinic"],
            "token_policies":["default","clinic"],"metadata":{},"lease_duration":{{(long)lease.TotalSeconds}},"renewable":{{(Renewable ? "true" : "false")}},"entity_id":"e","token_type":"service","orphan":true}
            }
            """);

    private Task TransitAsync(HttpContext context, string method, string path, byte[] body)
    {
        if (Route().Match(path) is not { Success: true } route)
            return RefuseAsync(context, 404, $"no handler for route \"{path}\". route entry not found.");
        var (verb, name) = (route.Groups[1].Value, route.Groups[2].Value);
        var exists = Keys.TryGetValue(name, out var key);
        var capability = (method, verb) switch
        {
            ("GET", "keys") => "read",
            // Only encryption asks whether the key exists, and counts as its creation when it does not.
            ("POST", "encrypt") => exists ? "update" : "create",
            ("POST", "decrypt") => "update",
            _ => "",
        };
        if (capability.Length == 0)
        {
            Complain($"{method} {path}");
            return RefuseAsync(context, 405, "unsupported operation");
        }

        if (!Policy.GetValueOrDefault($"{verb}/{name}", []).Contains(capability))
            return RefuseAsync(context, 403, "1 error occurred:\n\t* permission denied\n\n");
        if (verb == "keys")
            return exists ? WriteKeyAsync(context, name, key!) : RefuseAsync(context, 404);
        var fields = JsonNode.Parse(body)!.AsObject();
        return verb == "encrypt" ? EncryptAsync(context, name, key, fields) : DecryptAsync(context, key, fields);
    }

    private Task EncryptAsync(HttpContext context, string name, TransitKey? key, JsonObject fields)
    {
        CheckFields(fields, "plaintext", "associated_data");
        if (key is null)
            Keys[name] = key = new TransitKey();
        if (key.Derived)
            return RefuseAsync(context, 400, "missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key");
        var plaintext = Convert.FromBase64String(fields["plaintext"]!.GetValue<string>());
        var sealedBytes = new byte[12 + plaintext.Length + 16];
        RandomNumberGenerator.Fill(sealedBytes.AsSpan(0, 12));
        using var aes = new AesGcm(key.Versions[^1], 16);
        aes.Encrypt(
            sealedBytes.AsSpan(0, 12), plaintext, sealedBytes.AsSpan(12, plaintext.Length), sealedBytes.AsSpan(12 + plaintext.Length),
            Convert.FromBase64String(fields["associated_data"]!.GetValue<string>()));
        return WriteDataAsync(context, $$"""{"ciphertext":"vault:v{{key.Versions.Count}}:{{Convert.ToBase64String(sealedBytes)}}","key_version":{{key.Versions.Count}}}""");
    }

    private Task DecryptAsync(HttpContext context, TransitKey? key, JsonObject fields)
    {
        CheckFields(fields, "ciphertext", "associated_data");
        if (key is null)
            return RefuseAsync(context, 400, "encryption key not found");
        if (Ciphertext().Match(fields["ciphertext"]!.GetValue<string>()) is not { Success: true } text)
            return RefuseAsync(context, 400, "invalid ciphertext: no prefix");
        var version = Math.Max(1, int.Parse(text.Groups[1].ValueSpan));
        if (version > key.Versions.Count)
            return RefuseAsync(context, 400, "invalid ciphertext: version is too new");
        if (version < key.MinDecryptionVersion)
            return RefuseAsync(context, 400, "ciphertext or signature version is disallowed by policy (too old)");
        var bytes = Convert.FromBase64String(text.Groups[2].Value);
        if (bytes.Length < 28)
            return RefuseAsync(context, 400, "invalid ciphertext length");
        var plaintext = new byte[bytes.Length - 28];
        try
        {
            using var aes = new AesGcm(key.Versions[version - 1], 16);
            aes.Decrypt(
                bytes.AsSpan(0, 12), bytes.AsSpan(12, plaintext.Length), bytes.AsSpan(12 + plaintext.Length), plaintext,
                Convert.FromBase64String(fields["associated_data"]!.GetValue<string>()));
        }
        catch (AuthenticationTagMismatchException)
        {
            return RefuseAsync(context, 400, "cipher: message authentication failed");
        }

        return WriteDataAsync(context, $$"""{"plaintext":"{{Convert.ToBase64String(plaintext)}}"}""");
    }

    private Task WriteKeyAsync(HttpContext context, string name, TransitKey key)
    {
        var versions = JsonSerializer.Serialize(Enumerable.Range(1, key.Versions.Count).ToDictionary(i => $"{i}", i => 1_699_999_999 + i));
        return WriteDataAsync(context, $$"""
            {"allow_plaintext_backup":false,"auto_rotate_period":0,"deletion_allowed":false,"derived":{{(key.Derived ? "true" : "false")}},"exportable":false,"imported_key":false,
            "keys":{{versions}},"latest_version":{{key.Versions.Count}},"min_available_version":0,
            "min_decryption_version":{{key.MinDecryptionVersion}},"min_encryption_version":0,"name":"{{name}}","supports_decryption":true,"supports_derivation":true,
            "supports_encryption":true,"supports_signing":false,"type":"{{key.Type}}"}
            """);
    }

    private void CheckFields(JsonObject fields, params string[] expected)
    {
        if (!fields.Select(f => f.Key).Order().SequenceEqual(expected.Order()))
            Complain($"Fields {string.Join(", ", fields.Select(f => f.Key))}");
    }

    private static Task WriteDataAsync(HttpContext context, string data)
        => WriteAsync(
            context, 200,
            $$"""{"request_id":"5d2f9a68","lease_id":"","renewable":false,"lease_duration":0,"data":{{data}},"wrap_info":null,"warnings":null,"auth":null,"mount_type":"transit"}""");

    private static Task RefuseAsync(HttpContext context, int status, params string[] errors)
        => WriteAsync(context, status, $$"""{"errors":{{JsonSerializer.Serialize(errors)}}}""");

    [GeneratedRegex(@"^transit/(encrypt|decrypt|keys)/([\w.-]+)\z")]
    private static partial Regex Route();

    [GeneratedRegex(@"^vault:v(\d+):(.*)\z")]
    private static partial Regex Ciphertext();
}
