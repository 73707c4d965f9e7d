using System.Net;
using Amazon.Runtime;

namespace EfEnvelope.Kms.Aws;

/// <summary>Which kind each error of the service and of its SDK is.</summary>
internal static class AwsErrors
{
    /// <summary>The kind of an error that the service or the SDK named; states of the key are told apart by <see cref="AwsKeyWrapper" />.</summary>
    public static KmsErrorKind KindOf(Exception e)
    {
        if (e is not AmazonServiceException service)
            return KindOfUnanswered(e);
        return service.ErrorCode switch
        {
            "ThrottlingException" or "Throttling" or "ThrottledException" or "TooManyRequestsException" or "RequestLimitExceeded" or "SlowDown" => KmsErrorKind.Throttled,
            "KMSInternalException" or "InternalFailure" or "InternalServerError" or "ServiceUnavailable" or "ServiceUnavailableException" or "KeyUnavailableException"
                or "CloudHsmClusterNotActiveException" or "CustomKeyStoreInvalidStateException" or "XksProxyUriUnreachableException" => KmsErrorKind.Unavailable,
            "DependencyTimeoutException" or "RequestTimeout" or "RequestTimeoutException" => KmsErrorKind.Timeout,
            "UnrecognizedClientException" or "ExpiredTokenException" or "ExpiredToken" or "InvalidSignatureException" or "SignatureDoesNotMatch" or "InvalidClientTokenId"
                or "MissingAuthenticationToken" or "MissingAuthenticationTokenException" or "IncompleteSignature" or "IncompleteSignatureException"
                or "RequestExpired" or "InvalidGrantTokenException" => KmsErrorKind.Unauthenticated,
            "AccessDeniedException" or "AccessDenied" or "NotAuthorized" or "OptInRequired" => KmsErrorKind.AccessDenied,
            "NotFoundException" => KmsErrorKind.NotFound,
            "DisabledException" or "KMSInvalidStateException" => KmsErrorKind.Disabled,
            "IncorrectKeyException" => KmsErrorKind.WrongKey,
            "InvalidCiphertextException" => KmsErrorKind.InvalidCiphertext,
            _ => KindOf(service),
        };
    }

    private static KmsErrorKind KindOf(AmazonServiceException e)
        => e.StatusCode switch
        {
            // An answer that is not the service's own: of a proxy, of a page that asks for a login, or cut off.
            _ when e is AmazonUnmarshallingException || KmsHttpResponse.IsOnTheWay((int)e.StatusCode) => KmsErrorKind.Unavailable,
            HttpStatusCode.Forbidden when string.IsNullOrEmpty(e.ErrorCode) => KmsErrorKind.Unavailable,
            HttpStatusCode.TooManyRequests => KmsErrorKind.Throttled,
            HttpStatusCode.GatewayTimeout or HttpStatusCode.RequestTimeout => KmsErrorKind.Timeout,
            >= HttpStatusCode.InternalServerError => KmsErrorKind.Unavailable,
            HttpStatusCode.Unauthorized => KmsErrorKind.Unauthenticated,
            0 => KindOfUnanswered(e),
            _ => KmsErrorKind.InvalidRequest,
        };

    // No answer, or none that can be read: the cause lies somewhere below.
    private static KmsErrorKind KindOfUnanswered(Exception e)
    {
        for (var cause = e; cause is not null; cause = cause.InnerException)
        {
            if (cause is OperationCanceledException or TimeoutException)
                return KmsErrorKind.Timeout;
            if (cause is HttpRequestException or IOException or WebException)
                return KmsErrorKind.Unavailable;
        }

        // What the SDK's credentials throw when none can be had; their service may be out of reach, which lies below and was found above.
        return e is AmazonServiceException ? KmsErrorKind.Unavailable : e is AmazonClientException ? KmsErrorKind.Unauthenticated : KmsErrorKind.InvalidRequest;
    }

    /// <summary>The message of a kind.</summary>
    public static string MessageOf(KmsErrorKind kind, Exception e, string whose, string permission, string? region)
    {
        var (code, request) = e is AmazonServiceException service ? (service.ErrorCode, service.RequestId) : (null, null);
        return kind switch
        {
            KmsErrorKind.Throttled => AwsKmsMessages.Throttled(whose, code, request),
            KmsErrorKind.Unavailable => AwsKmsMessages.Unavailable(whose, code, request),
            KmsErrorKind.Timeout => AwsKmsMessages.TimedOut(whose),
            KmsErrorKind.Unauthenticated => e is AmazonServiceException ? AwsKmsMessages.Unauthenticated(whose, code, request) : AwsKmsMessages.NoCredentials(whose),
            KmsErrorKind.AccessDenied => AwsKmsMessages.AccessDenied(whose, permission, request),
            KmsErrorKind.NotFound => AwsKmsMessages.NotFound(whose, region, request),
            KmsErrorKind.Disabled => AwsKmsMessages.Disabled(whose, request),
            KmsErrorKind.PendingDeletion => AwsKmsMessages.PendingDeletion(whose, request),
            KmsErrorKind.WrongKey => AwsKmsMessages.WrongKey(whose, request),
            KmsErrorKind.InvalidCiphertext => AwsKmsMessages.Refused(whose, request),
            _ when code == "InvalidKeyUsageException" => AwsKmsMessages.KeyUsage(whose, request),
            _ => AwsKmsMessages.InvalidRequest(whose, code, request),
        };
    }
}
