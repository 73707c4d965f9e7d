using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Tests.Http;
using Microsoft.AspNetCore.Http;

namespace EfEnvelope.Kms.Tests.Azure;

/// <summary>
/// Key Vault, or a Managed HSM, in memory, for any host whose requests are led here: asks for tokens by a challenge, checks path, query and body of each request, and
/// answers with the service's own texts.
/// </summary>
internal sealed class KeyVaultServer(string resource, string apiVersion = "7.4") : KmsServer
{
    public const string Tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";

    private const int TagSize = 16;

    // Making RSA keys takes longer than all the rest of a test.
    private static readonly Lazy<RSAParameters[]> RsaKeys = new(() => [.. Enumerable.Range(0, 5).Select(_ => { using var rsa = RSA.Create(2048); return rsa.ExportParameters(true); })]);

    private readonly ConcurrentDictionary<string, KeyVaultKey> _keys = new();
    private readonly ConcurrentDictionary<string, KeyVaultToken> _tokens = new();
    private readonly ConcurrentQueue<string> _operations = new();
    private int _made;

    /// <summary>Gets or sets what every authorized request is answered with, when it is set: a status and a body.</summary>
    public (int Status, string Body)? Canned { get; set; }

    /// <summary>Gets or sets the <c>Retry-After</c> of throttled requests.</summary>
    public string? RetryAfter { get; set; }

    /// <summary>Gets or sets the resource that the challenge names; by default the true one.</summary>
    public string? ChallengedResource { get; set; }

    public bool Denied { get; set; }

    /// <summary>Gets hosts, methods and paths as they came, with those of challenges.</summary>
    public IReadOnlyCollection<string> Operations => _operations;

    public KeyVaultKey CreateRsaKey(string name)
        => _keys[name] = new KeyVaultKey(name, () => new KeyVaultVersion(RSA.Create(RsaKeys.Value[Interlocked.Increment(ref _made) % RsaKeys.Value.Length]), null));

    public KeyVaultKey CreateAesKey(string name) => _keys[name] = new KeyVaultKey(name, () => new KeyVaultVersion(null, RandomNumberGenerator.GetBytes(32)));

    public void DeleteKey(KeyVaultKey key) => _keys.TryRemove(key.Name, out _);

    public KeyVaultToken IssueToken(string scope, string? tenant, bool expired)
    {
        var token = new KeyVaultToken($"eyJ0eXAi.{Convert.ToHexString(RandomNumberGenerator.GetBytes(24))}", scope, tenant) { IsExpired = expired };
        return _tokens[token.Text] = token;
    }

    public void ExpireTokens()
    {
        foreach (var token in _tokens.Values)
            token.IsExpired = true;
    }

    protected override bool IsForCredentials(HttpContext context) => context.Request.Headers.Authorization.Count == 0;

    protected override Task AnswerFaultAsync(HttpContext context, ServerFault fault)
    {
        if (fault != ServerFault.Throttled)
            return FailAsync(context, 500, "InternalServerError", "An internal error occurred. Please try again later.", null);
        if (RetryAfter is not null)
            context.Response.Headers.RetryAfter = RetryAfter;
        return FailAsync(context, 429, "Throttled", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached", null);
    }

    protected override async Task AnswerAsync(HttpContext context, byte[] body)
    {
        var request = context.Request;
        context.Response.Headers["x-ms-request-id"] = new Guid(RandomNumberGenerator.GetBytes(16)).ToString();
        _operations.Enqueue($"{request.Host.Value} {request.Method} {request.Path}");
        if (await ChallengeAsync(context, body))
            return;
        if (Canned is { } canned)
        {
            await WriteAsync(context, canned.Status, canned.Body);
            return;
        }

        var path = request.Path.Value!.Split('/')[1..];
        if (request.Query["api-version"] != apiVersion || request.Query.Count != 1)
            Complain($"query {request.QueryString}");
        switch (request.Method, path)
        {
            case ("GET", ["keys", var name]):
            case ("GET", ["keys", var named, ""]) when (name = named) is not null:
                await DescribeAsync(context, name, null);
                break;
            case ("GET", ["keys", var name, var version]):
                await DescribeAsync(context, name, version);
                break;
            case ("POST", ["keys", var name, var operation]) when IsOperation(operation):
                await OperateAsync(context, name, null, operation.ToLowerInvariant(), body);
                break;
            case ("POST", ["keys", var name, var version, var operation]) when IsOperation(operation):
                await OperateAsync(context, name, version.Length == 0 ? null : version, operation.ToLowerInvariant(), body);
                break;
            default:
                Complain($"{request.Method} {request.Path}");
                await FailAsync(context, 400, "BadParameter", "Method or path not found.", null);
                break;
        }
    }

    private static bool IsOperation(string operation) => operation.ToLowerInvariant() is "wrapkey" or "unwrapkey" or "encrypt" or "decrypt";

    private static Task FailAsync(HttpContext context, int status, string code, string message, string? inner)
    {
        var error = new JsonObject { ["code"] = code, ["message"] = message };
        if (inner is not null)
            error["innererror"] = new JsonObject { ["code"] = inner };
        return WriteAsync(context, status, new JsonObject { ["error"] = error }.ToJsonString(), "application/json; charset=utf-8");
    }

    private static Task NotFoundAsync(HttpContext context, string name)
        => FailAsync(
            context,
            404,
            "KeyNotFound",
            $"A key with (name/id) {name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.",
            null);

    private async Task<bool> ChallengeAsync(HttpContext context, byte[] body)
    {
        var authorization = context.Request.Headers.Authorization.ToString();
        KeyVaultToken? token = null;
        var text = authorization.StartsWith("Bearer ", StringComparison.Ordinal) ? authorization[7..] : null;
        if (text is not null && _tokens.TryGetValue(text, out token) && !token.IsExpired && token.Scope == $"{resource}/.default" && token.Tenant == Tenant)
            return false;
        if (text is null && body.Length > 0)
            Complain("content without a token");
        if (text is not null && token is null)
            Complain("a token that nobody issued");
        context.Response.Headers.WWWAuthenticate = $"Bearer authorization=\"https://login.microsoftonline.com/{Tenant}\", resource=\"{ChallengedResource ?? resource}\"";
        var message = text is null ? "AKV10000: Request is missing a Bearer or PoP token."
            : token?.Tenant != Tenant ? "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/, found https://sts.windows.net/other/."
            : "[TokenExpired] Error validating token: IDX10223.";
        await FailAsync(context, 401, "Unauthorized", message, null);
        return true;
    }

    private async Task DescribeAsync(HttpContext context, string name, string? version)
    {
        if (Denied)
        {
            await DenyAsync(context, "read");
            return;
        }

        if (await FindAsync(context, name, version) is not { } found)
            return;
        var key = new JsonObject
        {
            ["kid"] = KidOf(context, name, found), ["kty"] = found.Rsa is null ? "oct-HSM" : "RSA",
            ["key_ops"] = found.Rsa is null ? new JsonArray("encrypt", "decrypt", "wrapKey", "unwrapKey") : new JsonArray("encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"),
        };
        if (found.Rsa?.ExportParameters(false) is { } rsa)
            (key["n"], key["e"]) = (Base64Url.EncodeToString(rsa.Modulus), Base64Url.EncodeToString(rsa.Exponent));
        var attributes = new JsonObject { ["enabled"] = found.Enabled, ["created"] = 1_700_000_000, ["updated"] = 1_700_000_000, ["recoveryLevel"] = "Recoverable+Purgeable" };
        if (found.NotBefore is { } notBefore)
            attributes["nbf"] = notBefore;
        if (found.Expires is { } expires)
            attributes["exp"] = expires;
        await WriteAsync(context, 200, new JsonObject { ["key"] = key, ["attributes"] = attributes }.ToJsonString(), "application/json; charset=utf-8");
    }

    private async Task OperateAsync(HttpContext context, string name, string? version, string operation, byte[] body)
    {
        if (context.Request.ContentType?.Split(';')[0] != "application/json")
            Complain($"content type {context.Request.ContentType}");
        var opens = operation is "unwrapkey" or "decrypt";
        if (opens && version is null)
            Complain($"{operation} without a version");
        var json = JsonNode.Parse(body)!.AsObject();
        var gcm = json["alg"]?.GetValue<string>() == "A256GCM";
        string[] fields = gcm ? opens ? ["alg", "value", "iv", "tag", "aad"] : ["alg", "value", "aad"] : ["alg", "value"];
        if (!json.Select(p => p.Key).Order().SequenceEqual(fields.Order()))
            Complain($"{operation}: fields {string.Join(", ", json.Select(p => p.Key))}");
        if (Denied)
        {
            await DenyAsync(context, operation.Replace("key", "", StringComparison.Ordinal));
            return;
        }

        if (await FindAsync(context, name, version) is not { } found)
            return;
        var verb = operation.Replace("key", "", StringComparison.Ordinal);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        if (!found.Enabled)
            await FailAsync(context, 403, "Forbidden", $"Operation {verb} is not allowed on a disabled key.", "KeyDisabled");
        else if (found.NotBefore > now || (!opens && found.Expires <= now))
            await FailAsync(context, 403, "Forbidden", $"Operation {verb} is not allowed on a key that is not yet valid or expired.", "KeyNotYetValidOrExpired");
        else if (json["alg"]!.GetValue<string>() != (found.Rsa is null ? "A256GCM" : "RSA-OAEP-256") || (operation is "wrapkey" or "unwrapkey") != found.Rsa is not null)
            await FailAsync(context, 400, "BadParameter", "Key and algorithm do not go together.", null);
        else
            await RunAsync(context, KidOf(context, name, found), found, operation, json);
    }

    private static async Task RunAsync(HttpContext context, string kid, KeyVaultVersion key, string operation, JsonObject request)
    {
        try
        {
            var answer = new JsonObject { ["kid"] = kid };
            var value = Base64Url.DecodeFromChars(request["value"]!.GetValue<string>());
            switch (operation)
            {
                case "wrapkey":
                    lock (key)
                        answer["value"] = Base64Url.EncodeToString(key.Rsa!.Encrypt(value, RSAEncryptionPadding.OaepSHA256));
                    break;
                case "unwrapkey":
                    lock (key)
                        answer["value"] = Base64Url.EncodeToString(key.Rsa!.Decrypt(value, RSAEncryptionPadding.OaepSHA256));
                    break;
                default:
                    RunGcm(key.Aes!, operation == "encrypt", value, request, answer);
                    break;
            }

            await WriteAsync(context, 200, answer.ToJsonString(), "application/json; charset=utf-8");
        }
        catch (Exception e) when (e is CryptographicException or FormatException or ArgumentException)
        {
            await FailAsync(context, 400, "BadParameter", "The parameter is incorrect.\r\n", null);
        }
    }

    private static void RunGcm(byte[] key, bool encrypts, byte[] value, JsonObject request, JsonObject answer)
    {
        using var aes = new AesGcm(key, TagSize);
        var aad = Base64Url.DecodeFromChars(request["aad"]!.GetValue<string>());
        var iv = encrypts ? RandomNumberGenerator.GetBytes(12) : Base64Url.DecodeFromChars(request["iv"]!.GetValue<string>());
        var tag = encrypts ? new byte[TagSize] : Base64Url.DecodeFromChars(request["tag"]!.GetValue<string>());
        var result = new byte[value.Length];
        if (encrypts)
        {
            aes.Encrypt(iv, value, result, tag, aad);
            (answer["iv"], answer["tag"], answer["aad"]) = (Base64Url.EncodeToString(iv), Base64Url.EncodeToString(tag), Base64Url.EncodeToString(aad));
        }
        else
        {
            aes.Decrypt(iv, value, tag, result, aad);
        }

        answer["value"] = Base64Url.EncodeToString(result);
    }

    private static string KidOf(HttpContext context, string name, KeyVaultVersion version) => $"https://{context.Request.Host.Value}/keys/{name}/{version.Id}";

    private static Task DenyAsync(HttpContext context, string action)
        => FailAsync(
            context,
            403,
            "Forbidden",
            $"Caller is not authorized to perform action on resource.\r\nCaller: appid=00000000-0000-0000-0000-000000000001\r\nAction: 'Microsoft.KeyVault/vaults/keys/{action}/action'\r\nAssignment: (not found)\r\n",
            "ForbiddenByRbac");

    private async Task<KeyVaultVersion?> FindAsync(HttpContext context, string name, string? version)
    {
        var found = _keys.TryGetValue(name, out var key) ? version is null ? key.Newest : key.Versions.FirstOrDefault(v => v.Id == version) : null;
        if (found is null)
            await NotFoundAsync(context, version is null ? name : $"{name}/{version}");
        return found;
    }
}

internal sealed record KeyVaultToken(string Text, string Scope, string? Tenant)
{
    public bool IsExpired { get; set; }
}
