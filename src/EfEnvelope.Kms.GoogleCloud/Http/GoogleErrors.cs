using System.Globalization;
using System.Text.Json;

namespace EfEnvelope.Kms.GoogleCloud.Http;

/// <summary>A status of Google: its name, its text, and the machine-readable reason in its details.</summary>
internal sealed record GoogleStatus(string Name, string? Message, string? Reason);

/// <summary>The one place where Google's statuses become kinds.</summary>
internal static class GoogleErrors
{
    /// <summary>Reads an answer that is not a success; one that Google did not write, but a proxy on the way, says no more than its number.</summary>
    public static KmsException Read(string key, GoogleKmsOperation operation, KmsHttpResponse response)
    {
        ErrorBody? error = null;
        try
        {
            error = JsonSerializer.Deserialize(response.Body, GoogleJson.Default.ErrorResponse)?.Error;
        }
        catch (JsonException)
        {
            // Not Google's: the status alone counts.
        }

        var status = error?.Status is { } name ? new GoogleStatus(name, error.Message, ReasonOf(error.Details)) : OfProxy(response.Status);
        return Create(key, operation, status, response.RetryAfter ?? DelayOf(error?.Details), null);
    }

    public static KmsException Create(string key, GoogleKmsOperation operation, GoogleStatus status, TimeSpan? retryAfter, Exception? inner)
    {
        var (kind, message) = Map($"{CryptoKeyName.Scheme}:{key}", operation, status);
        return new KmsException(kind, message, inner) { RetryAfter = retryAfter };
    }

    // 'PermissionDenied' is how gRPC for .NET writes 'PERMISSION_DENIED'.
    private static (KmsErrorKind Kind, string Message) Map(string kek, GoogleKmsOperation operation, GoogleStatus status)
        => status.Name.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant() switch
        {
            "UNAUTHENTICATED" => (KmsErrorKind.Unauthenticated, GoogleKmsMessages.Unauthenticated(kek)),
            "PERMISSIONDENIED" when status.Reason is "SERVICE_DISABLED" or "BILLING_DISABLED" => (KmsErrorKind.AccessDenied, GoogleKmsMessages.ServiceDisabled(kek)),
            "PERMISSIONDENIED" => (KmsErrorKind.AccessDenied, Denied(kek, operation)),
            "NOTFOUND" => (KmsErrorKind.NotFound, GoogleKmsMessages.NotFound(kek)),
            "FAILEDPRECONDITION" => Precondition(kek, status),
            "INVALIDARGUMENT" when Says(status, "checksum") || Says(status, "crc32c") => (KmsErrorKind.Unavailable, GoogleKmsMessages.Damaged(kek)),
            "INVALIDARGUMENT" when operation == GoogleKmsOperation.Decrypt => (KmsErrorKind.InvalidCiphertext, GoogleKmsMessages.Refused(kek)),
            "RESOURCEEXHAUSTED" => (KmsErrorKind.Throttled, GoogleKmsMessages.Throttled(kek)),
            "UNAVAILABLE" or "INTERNAL" or "UNKNOWN" or "ABORTED" or "CANCELLED" => (KmsErrorKind.Unavailable, GoogleKmsMessages.Unavailable(kek)),
            "DEADLINEEXCEEDED" => (KmsErrorKind.Timeout, GoogleKmsMessages.TimedOut(kek)),
            NotGoogle => (KmsErrorKind.InvalidRequest, GoogleKmsMessages.NotUnderstood(kek)),
            _ => (KmsErrorKind.InvalidRequest, GoogleKmsMessages.InvalidRequest(kek, status.Name)),
        };

    private const string NotGoogle = "";

    // '… is not enabled, current state is: DISABLED.'
    private static (KmsErrorKind Kind, string Message) Precondition(string kek, GoogleStatus status)
        => Says(status, "DESTROY_SCHEDULED") ? (KmsErrorKind.PendingDeletion, GoogleKmsMessages.DestroyScheduled(kek))
            : Says(status, "DESTROYED") ? (KmsErrorKind.NotFound, GoogleKmsMessages.Destroyed(kek))
            : Says(status, "not enabled") ? (KmsErrorKind.Disabled, GoogleKmsMessages.Disabled(kek))
            : (KmsErrorKind.InvalidRequest, GoogleKmsMessages.InvalidRequest(kek, status.Name));

    private static string Denied(string kek, GoogleKmsOperation operation) => operation switch
    {
        GoogleKmsOperation.Encrypt => GoogleKmsMessages.AccessDenied(kek, "cloudkms.cryptoKeyVersions.useToEncrypt", "roles/cloudkms.cryptoKeyEncrypter"),
        GoogleKmsOperation.Decrypt => GoogleKmsMessages.AccessDenied(kek, "cloudkms.cryptoKeyVersions.useToDecrypt", "roles/cloudkms.cryptoKeyDecrypter"),
        _ => GoogleKmsMessages.AccessDenied(kek, "cloudkms.cryptoKeys.get", "roles/cloudkms.viewer"),
    };

    private static bool Says(GoogleStatus status, string word) => status.Message?.Contains(word, StringComparison.OrdinalIgnoreCase) == true;

    private static GoogleStatus OfProxy(int status) => new(
        status switch
        {
            401 => "UNAUTHENTICATED",
            403 => "UNAVAILABLE",
            429 => "RESOURCE_EXHAUSTED",
            408 or 504 => "DEADLINE_EXCEEDED",
            >= 500 => "UNAVAILABLE",
            _ when KmsHttpResponse.IsOnTheWay(status) => "UNAVAILABLE",
            _ => NotGoogle,
        },
        null,
        null);

    private static string? ReasonOf(JsonElement[]? details)
        => details?.Select(d => Text(d, "reason")).FirstOrDefault(reason => reason is not null);

    // google.rpc.RetryInfo: {"retryDelay": "1.5s"}
    private static TimeSpan? DelayOf(JsonElement[]? details)
    {
        var text = details?.Select(d => Text(d, "retryDelay")).FirstOrDefault(delay => delay is not null);
        return text is not null && double.TryParse(text.TrimEnd('s'), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds < 86_400
            ? TimeSpan.FromSeconds(seconds)
            : null;
    }

    private static string? Text(JsonElement detail, string name)
        => detail.ValueKind == JsonValueKind.Object && detail.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
