using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Vault;

// Event ids 2500 to 2599 belong to Vault and OpenBao and never change their meaning.
internal static partial class VaultLog
{
    [LoggerMessage(2500, LogLevel.Debug, "A key was wrapped under version {Version} of '{Kek}'.", EventName = "KeyWrapped")]
    public static partial void KeyWrapped(ILogger logger, string version, KekUri kek);

    [LoggerMessage(2501, LogLevel.Debug, "A key was unwrapped under version {Version} of '{Kek}'.", EventName = "KeyUnwrapped")]
    public static partial void KeyUnwrapped(ILogger logger, string version, KekUri kek);

    [LoggerMessage(2502, LogLevel.Debug, "A token for '{Kek}' was obtained; its lease is {Lease}.", EventName = "TokenObtained")]
    public static partial void TokenObtained(ILogger logger, KekUri kek, TimeSpan? lease);

    [LoggerMessage(2503, LogLevel.Debug, "The token for '{Kek}' was renewed; its lease is {Lease}.", EventName = "TokenRenewed")]
    public static partial void TokenRenewed(ILogger logger, KekUri kek, TimeSpan? lease);

    [LoggerMessage(2504, LogLevel.Warning, "The token for '{Kek}' could not be renewed ({Kind}).", EventName = "TokenNotRenewed")]
    public static partial void TokenNotRenewed(ILogger logger, KekUri kek, KmsErrorKind kind);

    [LoggerMessage(2505, LogLevel.Debug, "{Method} '{Path}' was answered by {Status}.", EventName = "RequestAnswered")]
    public static partial void RequestAnswered(ILogger logger, HttpMethod method, string path, int status);
}
