using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Tests.Http;
using Microsoft.AspNetCore.Http;

namespace EfEnvelope.Kms.Tests.Aws;

/// <summary>AWS KMS in one region, in memory: verifies each signature, checks each body against the service's model, and answers with the service's own texts.</summary>
internal sealed class AwsKmsServer : KmsServer
{
    public const string Region = "eu-central-1";
    public const string Account = "111122223333";

    private const int NonceSize = 12;
    private const int TagSize = 16;

    private static readonly Dictionary<string, (string[] Required, string[] Optional)> Model = new()
    {
        ["Encrypt"] = (["KeyId", "Plaintext"], ["EncryptionContext", "GrantTokens", "EncryptionAlgorithm", "DryRun"]),
        ["Decrypt"] = (["CiphertextBlob", "KeyId"], ["EncryptionContext", "GrantTokens", "EncryptionAlgorithm", "Recipient", "DryRun"]),
        ["ReEncrypt"] = (["CiphertextBlob", "SourceKeyId", "DestinationKeyId"], ["SourceEncryptionContext", "DestinationEncryptionContext", "GrantTokens", "DryRun"]),
        ["DescribeKey"] = (["KeyId"], ["GrantTokens"]),
    };

    private readonly ConcurrentDictionary<string, AwsKey> _keys = new();
    private readonly ConcurrentDictionary<string, string> _aliases = new();
    private readonly ConcurrentDictionary<string, AwsCredential> _credentials = new();
    private readonly ConcurrentQueue<string> _operations = new();

    /// <summary>Gets or sets what every request is answered with, when it is set: a status and a body.</summary>
    public (int Status, string Body)? Canned { get; set; }

    /// <summary>Gets the permissions that the caller has not, such as <c>kms:Decrypt</c>, or <c>kms:*</c>.</summary>
    public ConcurrentDictionary<string, bool> Denied { get; } = new();

    public IReadOnlyCollection<string> Operations => _operations;

    public AwsKey CreateKey(string id, string region = Region)
        => _keys[id] = new AwsKey(id, $"arn:aws:kms:{region}:{Account}:key/{id}");

    public void PointAlias(string alias, AwsKey key) => _aliases[alias] = key.Id;

    public void DeleteKey(AwsKey key) => _keys.TryRemove(key.Id, out _);

    public AwsCredential IssueCredential()
    {
        var credential = new AwsCredential("ASIA" + Random(8), Random(20), Random(40));
        return _credentials[credential.AccessKey] = credential;
    }

    public void ExpireCredentials()
    {
        foreach (var credential in _credentials.Values)
            credential.IsExpired = true;
    }

    protected override Task AnswerFaultAsync(HttpContext context, ServerFault fault)
        => fault == ServerFault.Throttled
            ? FailAsync(context, 400, "ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
            : FailAsync(context, 500, "KMSInternalException", null);

    protected override async Task AnswerAsync(HttpContext context, byte[] body)
    {
        context.Response.Headers["x-amzn-RequestId"] = new Guid(RandomNumberGenerator.GetBytes(16)).ToString();
        var request = context.Request;
        if (request.Method != "POST" || request.Path != "/" || request.ContentType != "application/x-amz-json-1.1")
            Complain($"{request.Method} {request.Path} {request.ContentType}");
        var target = request.Headers["X-Amz-Target"].ToString().Split('.');
        if (target is not ["TrentService", var operation] || !Model.TryGetValue(operation, out var model))
        {
            Complain($"target {string.Join('.', target)}");
            await FailAsync(context, 400, "UnknownOperationException", null);
            return;
        }

        _operations.Enqueue(operation);
        if (await RefuseCredentialsAsync(context, body))
            return;
        if (Canned is { } canned)
        {
            await WriteAsync(context, canned.Status, canned.Body, "application/x-amz-json-1.1");
            return;
        }

        var json = JsonNode.Parse(body)!.AsObject();
        foreach (var name in json.Select(p => p.Key).Where(n => !model.Required.Contains(n) && !model.Optional.Contains(n)).Concat(model.Required.Where(n => !json.ContainsKey(n))))
            Complain($"{operation}: field {name}");
        try
        {
            var answer = operation switch
            {
                "Encrypt" => Encrypt(json),
                "Decrypt" => Decrypt(json),
                "ReEncrypt" => ReEncrypt(json),
                _ => Describe(json),
            };
            await WriteAsync(context, 200, answer.ToJsonString(), "application/x-amz-json-1.1");
        }
        catch (Refusal e)
        {
            await FailAsync(context, 400, e.Type, e.Text);
        }
    }

    private static Task FailAsync(HttpContext context, int status, string type, string? message)
    {
        var body = new JsonObject { ["__type"] = type };
        if (message is not null)
            body["message"] = message;
        return WriteAsync(context, status, body.ToJsonString(), "application/x-amz-json-1.1");
    }

    private async Task<bool> RefuseCredentialsAsync(HttpContext context, byte[] body)
    {
        AwsCredential? used = null;
        var wrong = SigV4.Verify(context.Request, body, id => _credentials.TryGetValue(id, out used) ? used.SecretKey : null, Region, "kms");
        if (wrong == "unknown access key")
        {
            await FailAsync(context, 400, "UnrecognizedClientException", "The security token included in the request is invalid.");
            return true;
        }

        if (wrong is not null || context.Request.Headers["X-Amz-Security-Token"] != used!.Token)
        {
            await FailAsync(context, 400, "InvalidSignatureException", $"The request signature we calculated does not match the signature you provided. {wrong}");
            return true;
        }

        if (used.IsExpired)
            await FailAsync(context, 400, "ExpiredTokenException", "The security token included in the request is expired");
        return used.IsExpired;
    }

    private JsonObject Encrypt(JsonObject request)
    {
        var key = Use(request, "KeyId", "kms:Encrypt");
        var plaintext = request["Plaintext"]!.GetValue<string>();
        if (Convert.FromBase64String(plaintext).Length > 4096)
            throw new Refusal("ValidationException", "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096");
        return new JsonObject
        {
            ["CiphertextBlob"] = Seal(key, Convert.FromBase64String(plaintext), ContextOf(request, "EncryptionContext")),
            ["KeyId"] = key.Arn,
            ["EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT",
        };
    }

    private JsonObject Decrypt(JsonObject request)
    {
        var key = Use(request, "KeyId", "kms:Decrypt");
        var (plaintext, material) = Open(key, request["CiphertextBlob"]!.GetValue<string>(), ContextOf(request, "EncryptionContext"));
        return new JsonObject
        {
            ["KeyId"] = key.Arn,
            ["Plaintext"] = Convert.ToBase64String(plaintext),
            ["EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT",
            ["KeyMaterialId"] = material,
        };
    }

    private JsonObject ReEncrypt(JsonObject request)
    {
        var source = Use(request, "SourceKeyId", "kms:ReEncryptFrom");
        var destination = Use(request, "DestinationKeyId", "kms:ReEncryptTo");
        var (plaintext, material) = Open(source, request["CiphertextBlob"]!.GetValue<string>(), ContextOf(request, "SourceEncryptionContext"));
        return new JsonObject
        {
            ["CiphertextBlob"] = Seal(destination, plaintext, ContextOf(request, "DestinationEncryptionContext")),
            ["SourceKeyId"] = source.Arn,
            ["KeyId"] = destination.Arn,
            ["SourceEncryptionAlgorithm"] = "SYMMETRIC_DEFAULT",
            ["DestinationEncryptionAlgorithm"] = "SYMMETRIC_DEFAULT",
            ["SourceKeyMaterialId"] = material,
            ["DestinationKeyMaterialId"] = destination.Current.Id,
        };
    }

    private JsonObject Describe(JsonObject request)
    {
        var key = Find(request["KeyId"]!.GetValue<string>());
        Allow(key, "kms:DescribeKey");
        var metadata = new JsonObject
        {
            ["AWSAccountId"] = Account, ["KeyId"] = key.Id, ["Arn"] = key.Arn, ["CreationDate"] = 1_700_000_000.123, ["Enabled"] = key.State == "Enabled",
            ["KeyState"] = key.State, ["KeyUsage"] = "ENCRYPT_DECRYPT", ["KeySpec"] = "SYMMETRIC_DEFAULT", ["Origin"] = "AWS_KMS", ["KeyManager"] = "CUSTOMER",
            ["MultiRegion"] = false, ["CurrentKeyMaterialId"] = key.Current.Id,
        };
        if (key.State == "PendingDeletion")
            metadata["DeletionDate"] = 1_900_000_000.5;
        return new JsonObject { ["KeyMetadata"] = metadata };
    }

    private AwsKey Use(JsonObject request, string field, string permission)
    {
        var key = Find(request[field]!.GetValue<string>());
        Allow(key, permission);
        if (key.State == "Disabled")
            throw new Refusal("DisabledException", $"{key.Arn} is disabled.");
        if (key.State != "Enabled")
            throw new Refusal("KMSInvalidStateException", $"{key.Arn} is {(key.State == "PendingDeletion" ? "pending deletion" : "pending import")}.");
        return key;
    }

    private void Allow(AwsKey key, string permission)
    {
        if (Denied.ContainsKey(permission) || Denied.ContainsKey("kms:*"))
        {
            throw new Refusal(
                "AccessDeniedException",
                $"User: arn:aws:sts::{Account}:assumed-role/clinic/web is not authorized to perform: {permission} on resource: {key.Arn} because no identity-based policy allows the {permission} action");
        }
    }

    private AwsKey Find(string name)
    {
        var resource = name.StartsWith("arn:", StringComparison.Ordinal) ? name.Split(':', 6)[5] : name;
        if (name.StartsWith("arn:", StringComparison.Ordinal) && !name.StartsWith($"arn:aws:kms:{Region}:{Account}:", StringComparison.Ordinal))
            throw new Refusal("NotFoundException", $"Invalid arn {name.Split(':')[3]}");
        if (resource.StartsWith("alias/", StringComparison.Ordinal))
        {
            return _aliases.TryGetValue(resource, out var id) && _keys.TryGetValue(id, out var aliased)
                ? aliased
                : throw new Refusal("NotFoundException", $"Alias arn:aws:kms:{Region}:{Account}:{resource} is not found.");
        }

        return _keys.TryGetValue(resource.StartsWith("key/", StringComparison.Ordinal) ? resource[4..] : resource, out var key)
            ? key
            : throw new Refusal("NotFoundException", $"Key '{(name.StartsWith("arn:", StringComparison.Ordinal) ? name : $"arn:aws:kms:{Region}:{Account}:key/{name}")}' does not exist");
    }

    // The blob says by itself which key and which material it needs, as the service's does.
    private static string Seal(AwsKey key, byte[] plaintext, byte[] context)
    {
        var head = Encoding.ASCII.GetBytes($"{key.Id.PadRight(36)}{key.Current.Id}");
        var blob = new byte[head.Length + NonceSize + plaintext.Length + TagSize];
        head.CopyTo(blob, 0);
        RandomNumberGenerator.Fill(blob.AsSpan(head.Length, NonceSize));
        using var aes = new AesGcm(key.Current.Key, TagSize);
        var rest = blob.AsSpan(head.Length + NonceSize);
        aes.Encrypt(blob.AsSpan(head.Length, NonceSize), plaintext, rest[..plaintext.Length], rest[plaintext.Length..], [.. head, .. context]);
        return Convert.ToBase64String(blob);
    }

    private static (byte[] Plaintext, string Material) Open(AwsKey key, string ciphertext, byte[] context)
    {
        const int headSize = 36 + 64;
        var blob = Convert.FromBase64String(ciphertext);
        if (blob.Length < headSize + NonceSize + TagSize)
            throw new Refusal("InvalidCiphertextException", null);
        if (Encoding.ASCII.GetString(blob, 0, 36).TrimEnd() != key.Id)
            throw new Refusal("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.");
        if (key.Materials.FirstOrDefault(m => m.Id == Encoding.ASCII.GetString(blob, 36, 64)) is not { } material)
            throw new Refusal("InvalidCiphertextException", null);
        var plaintext = new byte[blob.Length - headSize - NonceSize - TagSize];
        using var aes = new AesGcm(material.Key, TagSize);
        try
        {
            var rest = blob.AsSpan(headSize + NonceSize);
            aes.Decrypt(blob.AsSpan(headSize, NonceSize), rest[..plaintext.Length], rest[plaintext.Length..], plaintext, [.. blob[..headSize], .. context]);
        }
        catch (CryptographicException)
        {
            throw new Refusal("InvalidCiphertextException", null);
        }

        return (plaintext, material.Id);
    }

    private static byte[] ContextOf(JsonObject request, string field)
        => Encoding.UTF8.GetBytes(
            string.Join('\n', (request[field]?.AsObject() ?? []).OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => new JsonArray(p.Key, p.Value!.GetValue<string>()).ToJsonString())));

    private static string Random(int bytes) => Convert.ToHexString(RandomNumberGenerator.GetBytes(bytes));

    private sealed class Refusal(string type, string? text) : Exception
    {
        public string Type => type;

        public string? Text => text;
    }
}

internal sealed record AwsMaterial(string Id, byte[] Key)
{
    public static AwsMaterial Create() => new(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)), RandomNumberGenerator.GetBytes(32));
}

internal sealed class AwsKey(string id, string arn)
{
    private readonly ConcurrentQueue<AwsMaterial> _materials = new([AwsMaterial.Create()]);

    public string Id => id;

    public string Arn => arn;

    public string State { get; set; } = "Enabled";

    public IEnumerable<AwsMaterial> Materials => _materials;

    public AwsMaterial Current => _materials.Last();

    public void Rotate() => _materials.Enqueue(AwsMaterial.Create());
}

internal sealed record AwsCredential(string AccessKey, string SecretKey, string Token)
{
    public bool IsExpired { get; set; }
}
