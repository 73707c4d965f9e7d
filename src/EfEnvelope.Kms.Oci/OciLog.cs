using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Oci;

// Event ids 2400 to 2499 belong to OCI Vault and never change their meaning.
internal static partial class OciLog
{
    [LoggerMessage(2400, LogLevel.Debug, "OCI Vault answered '{Operation}' of '{Key}' with {Status}, request {RequestId}.", EventName = "RequestAnswered")]
    public static partial void RequestAnswered(ILogger logger, OciKmsOperation operation, string key, int status, string? requestId);

    [LoggerMessage(2401, LogLevel.Debug, "OCI Vault did not accept the signature; the credentials are read anew.", EventName = "SignatureRefused")]
    public static partial void SignatureRefused(ILogger logger);
}
