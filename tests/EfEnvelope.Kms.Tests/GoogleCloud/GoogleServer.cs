using System.Collections.Concurrent;
using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Tests.Http;
using Microsoft.AspNetCore.Http;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

/// <summary>Cloud KMS and its token server, as their REST interface is described; error bodies are Google's own.</summary>
internal sealed class GoogleServer : KmsServer
{
    private readonly ConcurrentDictionary<string, byte> _tokens = new();
    private int _tokensGiven;
    private int _answeredInstead;
    private volatile bool _refuseAll;

    public ConcurrentDictionary<string, GoogleKey> Keys { get; } = new();

    public ConcurrentDictionary<string, bool> Denied { get; } = new();

    /// <summary>Gets or sets whether checksums must be in each request; Google takes requests without them.</summary>
    public bool ChecksumsExpected { get; set; } = true;

    /// <summary>Gets or sets what happens to an answer on its way back.</summary>
    public Action<JsonObject>? Damage { get; set; }

    /// <summary>Gets or sets a body that is answered instead, with its status and headers.</summary>
    public (int Status, string Body, string? RetryAfter)? Instead { get; set; }

    /// <summary>Gets how often <see cref="Instead" /> was answered.</summary>
    public int AnsweredInstead => Volatile.Read(ref _answeredInstead);

    public IEnumerable<string> Tokens => _tokens.Keys;

    public int TokensGiven => Volatile.Read(ref _tokensGiven);

    public string? LastQuotaProject { get; private set; }

    public string NewToken()
    {
        var token = $"ya29.{RandomNumberGenerator.GetHexString(64)}";
        _tokens[token] = 1;
        return token;
    }

    public void ExpireTokens(bool forGood)
    {
        _refuseAll = forGood;
        foreach (var token in _tokens.Keys)
            _tokens[token] = 0;
    }

    protected override bool IsForCredentials(HttpContext context) => context.Request.Path == "/token";

    protected override Task AnswerFaultAsync(HttpContext context, ServerFault fault) => fault == ServerFault.Throttled
        ? FailAsync(
            context,
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for quota metric 'Cryptographic requests' and limit 'Cryptographic requests per minute' of service 'cloudkms.googleapis.com' for "
            + "consumer 'project_number:123456789012'.",
            "RATE_LIMIT_EXCEEDED")
        : FailAsync(context, 503, "UNAVAILABLE", "The service is currently unavailable.");

    protected override async Task AnswerAsync(HttpContext context, byte[] body)
    {
        if (IsForCredentials(context))
        {
            await GiveTokenAsync(context, body);
            return;
        }

        if (Instead is { } instead)
        {
            Interlocked.Increment(ref _answeredInstead);
            if (instead.RetryAfter is not null)
                context.Response.Headers.RetryAfter = instead.RetryAfter;
            await WriteAsync(context, instead.Status, instead.Body);
            return;
        }

        var authorization = context.Request.Headers.Authorization.ToString();
        LastQuotaProject = context.Request.Headers["x-goog-user-project"].FirstOrDefault();
        if (_refuseAll || !authorization.StartsWith("Bearer ", StringComparison.Ordinal) || _tokens.GetValueOrDefault(authorization["Bearer ".Length..]) != 1)
        {
            await FailAsync(
                context,
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See "
                + "https://developers.google.com/identity/sign-in/web/devconsole-project.",
                "ACCESS_TOKEN_EXPIRED");
            return;
        }

        var path = context.Request.Path.Value!;
        if (context.Request.Query.Keys.Any(name => name != "$alt"))
            Complain($"A query that is not known: {context.Request.QueryString}");
        if (!path.StartsWith("/v1/projects/", StringComparison.Ordinal))
        {
            Complain($"A path that is not known: {path}");
            await WriteAsync(context, 404, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", "text/html");
            return;
        }

        var colon = path.LastIndexOf(':');
        var (name, verb) = colon < 0 ? (path[4..], "") : (path[4..colon], path[(colon + 1)..]);
        var permission = verb switch
        {
            "encrypt" => "cloudkms.cryptoKeyVersions.useToEncrypt",
            "decrypt" => "cloudkms.cryptoKeyVersions.useToDecrypt",
            _ => "cloudkms.cryptoKeys.get",
        };
        if (context.Request.Method != (verb.Length == 0 ? "GET" : "POST"))
            Complain($"{context.Request.Method} {path}");
        if (!Keys.TryGetValue(name, out var key))
            await FailAsync(context, 404, "NOT_FOUND", $"CryptoKey {name} not found.");
        else if (Denied.ContainsKey(name))
            await FailAsync(context, 403, "PERMISSION_DENIED", $"Permission '{permission}' denied on resource '{name}' (or it may not exist).", "IAM_PERMISSION_DENIED");
        else if (verb.Length == 0)
            await DescribeAsync(context, name, key);
        else if (context.Request.ContentType?.Split(';')[0] != "application/json")
            Complain($"Content-Type is {context.Request.ContentType}");
        else
            await UseAsync(context, name, key, verb, JsonNode.Parse(body)!.AsObject());
    }

    private async Task GiveTokenAsync(HttpContext context, byte[] body)
    {
        var form = System.Web.HttpUtility.ParseQueryString(System.Text.Encoding.ASCII.GetString(body));
        if (form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer" || GoogleServiceAccount.Check(form["assertion"] ?? "") is not null)
        {
            Complain($"Token request: {GoogleServiceAccount.Check(form["assertion"] ?? "")}");
            await WriteAsync(context, 400, """{"error":"invalid_grant","error_description":"Invalid JWT Signature."}""");
            return;
        }

        Interlocked.Increment(ref _tokensGiven);
        await WriteAsync(context, 200, $$"""{"access_token":"{{NewToken()}}","expires_in":3599,"token_type":"Bearer"}""");
    }

    private Task DescribeAsync(HttpContext context, string name, GoogleKey key) => WriteAsync(
        context,
        200,
        $$"""
        {"name":"{{name}}","primary":{"name":"{{name}}/cryptoKeyVersions/{{key.Primary}}","state":"{{key.State}}","createTime":"2026-01-02T03:04:05.678901234Z",
        "protectionLevel":"SOFTWARE","algorithm":"GOOGLE_SYMMETRIC_ENCRYPTION","generateTime":"2026-01-02T03:04:05.678901234Z"},"purpose":"ENCRYPT_DECRYPT",
        "createTime":"2026-01-02T03:04:05.678901234Z","versionTemplate":{"protectionLevel":"SOFTWARE","algorithm":"GOOGLE_SYMMETRIC_ENCRYPTION"},
        "destroyScheduledDuration":"2592000s"}
        """);

    private async Task UseAsync(HttpContext context, string name, GoogleKey key, string verb, JsonObject request)
    {
        var input = verb == "encrypt" ? "plaintext" : "ciphertext";
        string[] known = [input, $"{input}Crc32c", "additionalAuthenticatedData", "additionalAuthenticatedDataCrc32c"];
        if (request.Select(p => p.Key).FirstOrDefault(field => !known.Contains(field) && field != "name") is { } unknown)
        {
            Complain($"Unknown name \"{unknown}\": Cannot find field.");
            await FailAsync(context, 400, "INVALID_ARGUMENT", $"Invalid JSON payload received. Unknown name \"{unknown}\": Cannot find field.");
            return;
        }

        var bytes = Bytes(request, input);
        var associated = Bytes(request, "additionalAuthenticatedData");
        foreach (var (field, value) in (ReadOnlySpan<(string, byte[])>)[(input, bytes), ("additionalAuthenticatedData", associated)])
        {
            if (request[$"{field}Crc32c"] is { } given && long.Parse(given.ToString()) != Checksum(value))
            {
                Complain($"The checksum of {field} differs.");
                return;
            }

            if (ChecksumsExpected && request[$"{field}Crc32c"]?.GetValueKind() != JsonValueKind.String)
                Complain($"{field}Crc32c is not a string.");
        }

        var version = key.Primary;
        byte[] plaintext = [];
        if (verb == "decrypt")
        {
            if (key.Decrypt(bytes, associated) is not { } opened)
            {
                await FailAsync(context, 400, "INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.");
                return;
            }

            (version, plaintext) = opened;
        }

        if (key.State != "ENABLED")
        {
            await FailAsync(context, 400, "FAILED_PRECONDITION", $"{name}/cryptoKeyVersions/{version} is not enabled, current state is: {key.State}.");
            return;
        }

        var answer = verb == "encrypt" ? Encrypted(name, key, request, bytes, associated) : Decrypted(plaintext, version == key.Primary);
        Damage?.Invoke(answer);
        await WriteAsync(context, 200, answer.ToJsonString());
    }

    private static JsonObject Encrypted(string name, GoogleKey key, JsonObject request, byte[] plaintext, byte[] associated)
    {
        var ciphertext = key.Encrypt(plaintext, associated);
        var answer = new JsonObject
        {
            ["name"] = $"{name}/cryptoKeyVersions/{key.Primary}",
            ["ciphertext"] = Convert.ToBase64String(ciphertext),
            ["ciphertextCrc32c"] = $"{Checksum(ciphertext)}",
            ["protectionLevel"] = "SOFTWARE",
        };
        if (request.ContainsKey("plaintextCrc32c"))
            answer["verifiedPlaintextCrc32c"] = true;
        if (request.ContainsKey("additionalAuthenticatedDataCrc32c"))
            answer["verifiedAdditionalAuthenticatedDataCrc32c"] = true;
        return answer;
    }

    private static JsonObject Decrypted(byte[] plaintext, bool usedPrimary)
    {
        var answer = new JsonObject
        {
            ["plaintext"] = Convert.ToBase64String(plaintext), ["plaintextCrc32c"] = $"{Checksum(plaintext)}", ["protectionLevel"] = "SOFTWARE",
        };
        if (usedPrimary)
            answer["usedPrimary"] = true;
        return answer;
    }

    // Byte by byte, as the definition has it.
    private static long Checksum(byte[] bytes) => ~bytes.Aggregate(uint.MaxValue, BitOperations.Crc32C) & 0xffffffffL;

    private static byte[] Bytes(JsonObject request, string field) => request[field] is { } value ? Convert.FromBase64String(value.GetValue<string>()) : [];

    public static string ErrorBody(int code, string status, string message, string? reason = null)
    {
        var error = new JsonObject { ["code"] = code, ["message"] = message, ["status"] = status };
        if (reason is not null)
            error["details"] = new JsonArray(new JsonObject { ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo", ["reason"] = reason, ["domain"] = "googleapis.com" });
        return new JsonObject { ["error"] = error }.ToJsonString();
    }

    private static Task FailAsync(HttpContext context, int code, string status, string message, string? reason = null)
        => WriteAsync(context, code, ErrorBody(code, status, message, reason));
}
