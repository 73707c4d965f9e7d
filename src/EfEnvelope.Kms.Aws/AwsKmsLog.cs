using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Aws;

// Event ids 2100 to 2199 belong to AWS KMS and never change their meaning. Key names only: never keys, never an encryption context.
internal static partial class AwsKmsLog
{
    [LoggerMessage(2100, LogLevel.Debug, "'{Operation}' was done under the KEK '{Kek}', version '{Version}'.", EventName = "KekCall")]
    public static partial void KekCalled(this ILogger logger, string operation, KekUri kek, string? version);

    [LoggerMessage(2101, LogLevel.Debug, "'{Operation}' failed under the KEK '{Kek}': {Kind} ({Code}, request '{RequestId}').", EventName = "KekCallFail")]
    public static partial void KekCallFailed(this ILogger logger, string operation, KekUri kek, KmsErrorKind kind, string? code, string? requestId);

    [LoggerMessage(2102, LogLevel.Debug, "The credentials for the KEK '{Kek}' were refused and are asked for anew.", EventName = "CredentialsRenew")]
    public static partial void CredentialsRenewed(this ILogger logger, KekUri kek);
}
