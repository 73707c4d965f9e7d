using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.GoogleCloud;

// Event ids 2300 to 2399 belong to Google Cloud KMS and never change their meaning.
internal static partial class GoogleKmsLog
{
    [LoggerMessage(2300, LogLevel.Debug, "Google Cloud KMS answered '{Operation}' of '{Key}' with {Status}.", EventName = "RequestAnswered")]
    public static partial void RequestAnswered(ILogger logger, GoogleKmsOperation operation, string key, int status);

    [LoggerMessage(2301, LogLevel.Debug, "Google Cloud KMS did not accept the access token; a fresh one is asked for.", EventName = "TokenRefused")]
    public static partial void TokenRefused(ILogger logger);

    [LoggerMessage(2302, LogLevel.Warning, "A request to or an answer from Google Cloud KMS about '{Key}' was damaged on its way.", EventName = "ChecksumDiffered")]
    public static partial void ChecksumDiffered(ILogger logger, string key);
}
