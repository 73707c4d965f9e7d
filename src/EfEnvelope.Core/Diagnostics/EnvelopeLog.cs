using Microsoft.Extensions.Logging;

namespace EfEnvelope.Diagnostics;

// Event ids never change. Key names only: never keys, never values.
internal static partial class EnvelopeLog
{
    [LoggerMessage(1000, LogLevel.Information, "Key version '{KeyVersion}' was added; it encrypts from {EncryptsFrom:u}.", EventName = "KeyVersionAdd")]
    public static partial void KeyVersionAdded(this ILogger logger, string keyVersion, DateTimeOffset encryptsFrom);

    [LoggerMessage(1001, LogLevel.Warning, "Key version '{KeyVersion}' could not be unwrapped ({Kind}).", EventName = "KeyUnwrapFail")]
    public static partial void KeyUnwrapFailed(this ILogger logger, string keyVersion, string kind, Exception exception);

    [LoggerMessage(1002, LogLevel.Warning, "The key ring of scope '{Scope}' could not be refreshed.", EventName = "KeyRingRefreshFail")]
    public static partial void KeyRingRefreshFailed(this ILogger logger, string scope, Exception exception);

    [LoggerMessage(1003, LogLevel.Error, "A new key version for scope '{Scope}' could not be made; the present one goes on encrypting.", EventName = "KeyRotationFail")]
    public static partial void KeyRotationFailed(this ILogger logger, string scope, Exception exception);

    [LoggerMessage(1004, LogLevel.Critical, "Key version '{KeyVersion}' had vanished from the key store and was put back. Find out who removed it.", EventName = "KeyVersionRestore")]
    public static partial void KeyVersionRestored(this ILogger logger, string keyVersion);

    [LoggerMessage(1005, LogLevel.Error, "Key version '{KeyVersion}' was never proved to unwrap, and does not; it was disabled before it encrypted anything. Find out who altered it.", EventName = "KeyVersionDiscard")]
    public static partial void KeyVersionDiscarded(this ILogger logger, string keyVersion);

    [LoggerMessage(1006, LogLevel.Information, "Key version '{KeyVersion}' was {Change}.", EventName = "KeyVersionChange")]
    public static partial void KeyVersionChanged(this ILogger logger, string keyVersion, string change);

    [LoggerMessage(1021, LogLevel.Error, "The keys of '{Context}' could not be loaded when the host started. The first request that needs them tries again.", EventName = "WarmUpFail")]
    public static partial void WarmUpFailed(this ILogger logger, string context, Exception exception);

    [LoggerMessage(1020, LogLevel.Warning, "The client of a KMS that is no longer used could not be disposed of.", EventName = "KmsClientDisposeFail")]
    public static partial void KmsClientNotDisposed(this ILogger logger, Exception exception);
}
