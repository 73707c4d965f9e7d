using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Tests.Http;
using Microsoft.AspNetCore.Http;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>The cryptographic and the management endpoint of a vault, as Oracle's SDK models them; error bodies are OCI's own.</summary>
internal sealed class OciServer : KmsServer
{
    private readonly ConcurrentDictionary<string, RSA> _callers = new();
    private readonly ConcurrentDictionary<string, byte> _seen = new();
    private int _answeredInstead;

    public ConcurrentDictionary<string, OciTestKey> Keys { get; } = new();

    public ConcurrentDictionary<string, bool> Denied { get; } = new();

    /// <summary>Gets what was last found wrong with a signature.</summary>
    public string? Refusal { get; private set; }

    /// <summary>Gets how many callers, or sessions of callers, have been accepted or refused so far.</summary>
    public int CallersSeen => _seen.Count;

    /// <summary>Gets or sets a body that is answered instead, with its status and headers.</summary>
    public (int Status, string Body, string? RetryAfter)? Instead { get; set; }

    /// <summary>Gets how often <see cref="Instead" /> was answered.</summary>
    public int AnsweredInstead => Volatile.Read(ref _answeredInstead);

    public void Accept(string keyId, RSA publicKey) => _callers[keyId] = publicKey;

    public void AcceptNobody() => _callers.Clear();

    protected override Task AnswerFaultAsync(HttpContext context, ServerFault fault) => fault == ServerFault.Throttled
        ? FailAsync(context, 429, "TooManyRequests", "Too many requests for the user")
        : FailAsync(context, 500, "InternalServerError", "Internal error occurred");

    protected override async Task AnswerAsync(HttpContext context, byte[] body)
    {
        context.Response.Headers["opc-request-id"] = "0A1B2C3D4E5F60718293A4B5C6D7E8F9/" + RandomNumberGenerator.GetHexString(32);
        if (Instead is { } instead)
        {
            Interlocked.Increment(ref _answeredInstead);
            if (instead.RetryAfter is not null)
                context.Response.Headers.RetryAfter = instead.RetryAfter;
            await WriteAsync(context, instead.Status, instead.Body);
            return;
        }

        _seen[OciSignature.KeyIdOf(context)] = 1;
        Refusal = OciSignature.Check(context, body, _callers.GetValueOrDefault);
        if (Refusal is not null)
        {
            await FailAsync(context, 401, "NotAuthenticated", "The required information to complete authentication was not provided or was incorrect.");
            return;
        }

        var path = context.Request.Path.Value!;
        if (context.Request.QueryString.HasValue)
            Complain($"A query: {context.Request.QueryString}");
        switch (context.Request.Method, path)
        {
            case ("GET", _) when path.StartsWith("/20180608/keys/", StringComparison.Ordinal):
                await UseAsync(context, path["/20180608/keys/".Length..], key => DescribeAsync(context, key));
                break;
            case ("POST", "/20180608/encrypt"):
                await EncryptAsync(context, Read(body, "keyId", "plaintext", "associatedData", "loggingContext", "keyVersionId", "encryptionAlgorithm"));
                break;
            case ("POST", "/20180608/decrypt"):
                await DecryptAsync(context, Read(body, "keyId", "ciphertext", "associatedData", "loggingContext", "keyVersionId", "encryptionAlgorithm"));
                break;
            default:
                Complain($"{context.Request.Method} {path}");
                await FailAsync(context, 404, "NotFound", "HTTP 404 Not Found");
                break;
        }
    }

    private Task EncryptAsync(HttpContext context, JsonObject request) => UseAsync(context, request["keyId"]!.GetValue<string>(), async key =>
    {
        var plaintext = Convert.FromBase64String(request["plaintext"]!.GetValue<string>());
        if (plaintext.Length is 0 or > 4096)
        {
            await FailAsync(context, 400, "InvalidParameter", "Plaintext size must be between 1 and 4096 bytes");
            return;
        }

        if (!await IsEnabledAsync(context, key))
            return;
        var answer = new JsonObject
        {
            ["ciphertext"] = key.Encrypt(plaintext, AssociatedData(request)),
            ["keyId"] = request["keyId"]!.GetValue<string>(),
            ["keyVersionId"] = key.CurrentVersion,
            ["encryptionAlgorithm"] = "AES_256_GCM",
        };
        await WriteAsync(context, 200, answer.ToJsonString());
    });

    private Task DecryptAsync(HttpContext context, JsonObject request) => UseAsync(context, request["keyId"]!.GetValue<string>(), async key =>
    {
        if (!await IsEnabledAsync(context, key))
            return;
        if (key.Decrypt(request["ciphertext"]!.GetValue<string>(), AssociatedData(request)) is not { } opened)
        {
            await FailAsync(context, 400, "InvalidParameter", "Unable to decrypt the ciphertext");
            return;
        }

        var answer = new JsonObject
        {
            ["plaintext"] = Convert.ToBase64String(opened.Plaintext),
            ["plaintextChecksum"] = $"{Crc32(opened.Plaintext)}",
            ["keyId"] = request["keyId"]!.GetValue<string>(),
            ["keyVersionId"] = opened.VersionId,
            ["encryptionAlgorithm"] = "AES_256_GCM",
        };
        await WriteAsync(context, 200, answer.ToJsonString());
    });

    private static Task DescribeAsync(HttpContext context, OciTestKey key) => WriteAsync(
        context,
        200,
        $$"""
        {"compartmentId":"ocid1.compartment.oc1..aaaa","currentKeyVersion":"{{key.CurrentVersion}}","definedTags":{},"displayName":"clinic","freeformTags":{},
        "keyShape":{"algorithm":"AES","length":32,"curveId":null},"protectionMode":"SOFTWARE","lifecycleState":"{{key.State}}",
        "timeCreated":"2026-01-02T03:04:05.678Z","timeOfDeletion":null,"vaultId":"ocid1.vault.oc1.eu-frankfurt-1.bjqmywdtaafak.aaaa","isPrimary":true}
        """);

    // A key that is not there, or may not be used, or was deleted: OCI does not tell which.
    private Task UseAsync(HttpContext context, string keyId, Func<OciTestKey, Task> use)
        => Keys.TryGetValue(keyId, out var key) && !Denied.ContainsKey(keyId)
            ? use(key)
            : FailAsync(context, 404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.");

    private static async Task<bool> IsEnabledAsync(HttpContext context, OciTestKey key)
    {
        if (key.State == "ENABLED")
            return true;
        await FailAsync(context, 409, "IncorrectState", $"The key is in the state {key.State}, but must be ENABLED.");
        return false;
    }

    private JsonObject Read(byte[] body, params string[] known)
    {
        var request = JsonNode.Parse(body)!.AsObject();
        foreach (var (name, value) in request)
        {
            if (!known.Contains(name) || value is null)
                Complain($"'{name}' is not known, or null.");
        }

        foreach (var name in known.Take(2).Where(name => request[name]?.GetValueKind() != JsonValueKind.String))
            Complain($"'{name}' is missing, or not a string.");
        if (request["associatedData"] is { } associated && associated.ToJsonString().Length >= 4096)
            Complain("'associatedData' is too long.");
        return request;
    }

    private static Dictionary<string, string> AssociatedData(JsonObject request)
        => request["associatedData"]?.AsObject().ToDictionary(p => p.Key, p => p.Value!.GetValue<string>()) ?? [];

    private static uint Crc32(byte[] bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
        {
            crc ^= b;
            for (var i = 0; i < 8; i++)
                crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320);
        }

        return ~crc;
    }

    private static Task FailAsync(HttpContext context, int status, string code, string message)
        => WriteAsync(context, status, new JsonObject { ["code"] = code, ["message"] = message }.ToJsonString());
}
