using System.Text.Json;
using System.Text.RegularExpressions;

namespace EfEnvelope.Kms.Oci.Http;

/// <summary>An error of OCI: the HTTP status, its code such as <c>NotAuthorizedOrNotFound</c>, its text, and the id of the request.</summary>
internal sealed record OciError(int Status, string? Code, string? Message, string? RequestId);

/// <summary>The one place where OCI's errors become kinds.</summary>
internal static partial class OciErrors
{
    /// <summary>Reads an answer that is not a success; one that OCI did not write, but a proxy on the way, has no code.</summary>
    public static KmsException Read(string key, OciKmsOperation operation, KmsHttpResponse response)
    {
        ErrorResponse? error = null;
        try
        {
            error = JsonSerializer.Deserialize(response.Body, OciJson.Default.ErrorResponse);
        }
        catch (JsonException)
        {
            // Not OCI's: the status alone counts.
        }

        return Create(
            key, operation, new OciError(response.Status, error?.Code, error?.Message, response.Header("opc-request-id")), response.RetryAfter, null);
    }

    public static KmsException Create(string key, OciKmsOperation operation, OciError error, TimeSpan? retryAfter, Exception? inner)
    {
        var id = error.RequestId is { } given && RequestId().IsMatch(given) ? given : null;
        var (kind, message) = Map($"{OciKeyId.Scheme}:{key}", operation, error, id);
        return new KmsException(kind, message, inner) { RetryAfter = retryAfter };
    }

    // 404 NotFound means that the address has no such operation; a key that is not there is NotAuthorizedOrNotFound.
    private static (KmsErrorKind Kind, string Message) Map(string kek, OciKmsOperation operation, OciError error, string? id) => (error.Status, error.Code) switch
    {
        _ when KmsHttpResponse.IsOnTheWay(error.Status) => (KmsErrorKind.Unavailable, OciMessages.Unavailable(kek, id)),
        (403, null) => (KmsErrorKind.Unavailable, OciMessages.Unavailable(kek, id)),
        (401, _) => (KmsErrorKind.Unauthenticated, OciMessages.Unauthenticated(kek, id)),
        (402 or 403, _) => (KmsErrorKind.AccessDenied, OciMessages.AccessDenied(kek, id)),
        (404, "NotFound") => (KmsErrorKind.InvalidRequest, OciMessages.NoOperation(kek, id)),
        (400 or 404, "NotAuthorizedOrNotFound" or "RelatedResourceNotAuthorizedOrNotFound" or "NamespaceNotFound")
            => (KmsErrorKind.NotFoundOrDenied, OciMessages.NotFoundOrDenied(kek, PermissionFor(operation), id)),
        (409, "IncorrectState") when IsToBeDeleted(error.Message) => (KmsErrorKind.PendingDeletion, OciMessages.PendingDeletion(kek, id)),
        (409, "IncorrectState") => (KmsErrorKind.Disabled, OciMessages.Disabled(kek, id)),
        (400, "InvalidParameter") when operation == OciKmsOperation.Decrypt => (KmsErrorKind.InvalidCiphertext, OciMessages.Refused(kek, id)),
        (429, _) => (KmsErrorKind.Throttled, OciMessages.Throttled(kek, id)),
        (408 or 504, _) => (KmsErrorKind.Timeout, OciMessages.TimedOut(kek, id)),
        (501, _) => (KmsErrorKind.InvalidRequest, OciMessages.NoOperation(kek, id)),
        (>= 500, _) => (KmsErrorKind.Unavailable, OciMessages.Unavailable(kek, id)),
        (_, { } code) => (KmsErrorKind.InvalidRequest, OciMessages.InvalidRequest(kek, code, id)),
        _ => (KmsErrorKind.InvalidRequest, OciMessages.NotUnderstood(kek)),
    };

    private static bool IsToBeDeleted(string? message)
        => message is not null && (message.Contains("DELETION", StringComparison.OrdinalIgnoreCase) || message.Contains("delet", StringComparison.OrdinalIgnoreCase));

    private static string PermissionFor(OciKmsOperation operation) => operation switch
    {
        OciKmsOperation.Encrypt => "KEY_ENCRYPT",
        OciKmsOperation.Decrypt => "KEY_DECRYPT",
        _ => "KEY_READ",
    };

    [GeneratedRegex(@"\A[A-Za-z0-9/_.-]{1,128}\z")]
    private static partial Regex RequestId();
}
