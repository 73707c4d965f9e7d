using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Azure;

// Event ids 2200 to 2299 belong to Azure Key Vault and never change their meaning. Key names only: never keys, tokens or an encryption context.
internal static partial class AzureKmsLog
{
    [LoggerMessage(2200, LogLevel.Debug, "'{Operation}' was done under the KEK '{Kek}', version '{Version}'.", EventName = "KekCall")]
    public static partial void KekCalled(this ILogger logger, string operation, KekUri kek, string? version);

    [LoggerMessage(2201, LogLevel.Debug, "'{Operation}' failed under the KEK '{Kek}': {Kind}. {Reason}", EventName = "KekCallFail")]
    public static partial void KekCallFailed(this ILogger logger, string operation, KekUri kek, KmsErrorKind kind, string reason);

    [LoggerMessage(2202, LogLevel.Debug, "The token for the KEK '{Kek}' was refused and is asked for anew.", EventName = "CredentialsRenew")]
    public static partial void CredentialsRenewed(this ILogger logger, KekUri kek);

    [LoggerMessage(2203, LogLevel.Debug, "The vault '{Host}' asks for tokens of the scope '{Scope}' and the tenant '{Tenant}'.", EventName = "ChallengeLearn")]
    public static partial void ChallengeLearned(this ILogger logger, string host, string scope, string? tenant);
}
