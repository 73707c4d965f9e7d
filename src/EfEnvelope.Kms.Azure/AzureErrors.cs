using System.Globalization;
using System.Text.Json;
using Azure;
using Azure.Core;

namespace EfEnvelope.Kms.Azure;

/// <summary>Which kind each error of the service is.</summary>
internal static class AzureErrors
{
    private const string RequestId = "x-ms-request-id";

    public static KmsException Of(string operation, KekUri kek, Response response, ReadOnlyMemory<byte> body, TimeProvider time)
    {
        var (code, inner, message) = Read(body);
        var request = response.Headers.TryGetValue(RequestId, out var id) ? id : null;
        return Of(operation, kek, response.Status, code, inner, message, request, RetryAfterOf(response.Headers, time), cause: null);
    }

    /// <summary>What Azure's own client threw. Its text quotes the answer, which for a refusal holds no key.</summary>
    public static KmsException Of(string operation, KekUri kek, RequestFailedException e, TimeProvider time)
    {
        if (e.Status == 0)
            return new KmsException(KmsErrorKind.Unavailable, AzureMessages.Unavailable(kek, e.ErrorCode, null), e);
        var response = e.GetRawResponse();
        ReadOnlyMemory<byte> body = default;
        try
        {
            body = response?.Content?.ToMemory() ?? default;
        }
        catch (InvalidOperationException)
        {
            // Its content was not kept.
        }

        var (code, inner, message) = Read(body);
        var request = response is not null && response.Headers.TryGetValue(RequestId, out var id) ? id : null;
        return Of(operation, kek, e.Status, code ?? e.ErrorCode, inner, message ?? e.Message, request, response is null ? null : RetryAfterOf(response.Headers, time), e);
    }

    private static KmsException Of(
        string operation, KekUri kek, int status, string? code, string? inner, string? message, string? request, TimeSpan? retryAfter, Exception? cause)
    {
        var opens = operation is "unwrapkey" or "decrypt";
        var detail = inner is null ? code : $"{code}/{inner}";
        var (kind, text) = status switch
        {
            _ when KmsHttpResponse.IsOnTheWay(status) => (KmsErrorKind.Unavailable, AzureMessages.Unavailable(kek, detail, request)),
            401 => (KmsErrorKind.Unauthenticated, AzureMessages.Unauthenticated(kek, detail, request)),
            403 when IsOfDisabledKey(inner, message) => (KmsErrorKind.Disabled, AzureMessages.Disabled(kek, detail, request)),
            403 when inner == "ForbiddenByFirewall" => (KmsErrorKind.AccessDenied, AzureMessages.Firewall(kek, detail, request)),

            // A page of a proxy or a firewall: the service names a code.
            403 when code is null => (KmsErrorKind.Unavailable, AzureMessages.Unavailable(kek, detail, request)),
            403 => (KmsErrorKind.AccessDenied, AzureMessages.AccessDenied(kek, PermissionFor(operation), detail, request)),
            404 => (KmsErrorKind.NotFound, AzureMessages.NotFound(kek, request)),
            409 when $"{code} {inner}" is var both && (both.Contains("ObjectIsDeletedButRecoverable") || both.Contains("ObjectIsBeingDeleted"))
                => (KmsErrorKind.PendingDeletion, AzureMessages.PendingDeletion(kek, detail, request)),
            408 or 504 => (KmsErrorKind.Timeout, AzureMessages.TimedOut(kek, request)),
            429 => (KmsErrorKind.Throttled, AzureMessages.Throttled(kek, request)),
            >= 500 => (KmsErrorKind.Unavailable, AzureMessages.Unavailable(kek, detail, request)),
            400 when opens && code != "KeyOperationForbidden" => (KmsErrorKind.InvalidCiphertext, AzureMessages.Refused(kek, request)),
            _ => (KmsErrorKind.InvalidRequest, AzureMessages.InvalidRequest(kek, detail, request)),
        };
        return new KmsException(kind, text, cause) { RetryAfter = retryAfter };
    }

    private static string PermissionFor(string operation)
        => operation switch
        {
            "wrapkey" => "Microsoft.KeyVault/vaults/keys/wrap/action",
            "unwrapkey" => "Microsoft.KeyVault/vaults/keys/unwrap/action",
            "encrypt" => "Microsoft.KeyVault/managedHsm/keys/encrypt/action",
            "decrypt" => "Microsoft.KeyVault/managedHsm/keys/decrypt/action",
            _ => "Microsoft.KeyVault/vaults/keys/read",
        };

    // The service says so in an inner code or, for some operations, in its text alone.
    private static bool IsOfDisabledKey(string? inner, string? message)
        => inner is "KeyDisabled" or "KeyNotYetValidOrExpired" or "KeyNotYetValid" or "KeyExpired"
            || (message is not null
                && (message.Contains("disabled key", StringComparison.OrdinalIgnoreCase)
                    || message.Contains("not yet valid or expired", StringComparison.OrdinalIgnoreCase)
                    || message.Contains("expired or not yet valid", StringComparison.OrdinalIgnoreCase)));

    private static (string? Code, string? Inner, string? Message) Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            var error = json.RootElement.GetProperty("error");
            var inner = error.TryGetProperty("innererror", out var found) || error.TryGetProperty("innerError", out found) ? found : default;
            return (TextOf(error, "code"), TextOf(inner, "code"), TextOf(error, "message"));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return default;
        }
    }

    private static string? TextOf(JsonElement element, string name)
        => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static TimeSpan? RetryAfterOf(ResponseHeaders headers, TimeProvider time)
    {
        foreach (var name in (ReadOnlySpan<string>)["retry-after-ms", "x-ms-retry-after-ms"])
        {
            if (headers.TryGetValue(name, out var text) && double.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds))
                return TimeSpan.FromMilliseconds(Math.Min(milliseconds, 86_400_000));
        }

        if (!headers.TryGetValue("Retry-After", out var value))
            return null;
        if (double.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
            return TimeSpan.FromSeconds(Math.Min(seconds, 86_400));
        if (!DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date))
            return null;
        var delay = date - time.GetUtcNow();
        return delay > TimeSpan.Zero ? delay : TimeSpan.Zero;
    }
}
