using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local;

// Event ids 2000 to 2099 belong to the embedded KMS and never change their meaning.
internal static partial class LocalKmsLog
{
    [LoggerMessage(2000, LogLevel.Information, "The KMS '{File}' was created, sealed by '{Seal}'.", EventName = "KmsCreated")]
    public static partial void KmsCreated(ILogger logger, string file, string seal);

    [LoggerMessage(2001, LogLevel.Debug, "The KMS '{File}' was opened.", EventName = "KmsOpened")]
    public static partial void KmsOpened(ILogger logger, string file);

    [LoggerMessage(2002, LogLevel.Information, "The KMS '{File}' was upgraded to format {Format}.", EventName = "KmsUpgraded")]
    public static partial void KmsUpgraded(ILogger logger, string file, int format);

    [LoggerMessage(2010, LogLevel.Information, "The KEK '{Key}' was created in '{File}'.", EventName = "KekCreated")]
    public static partial void KekCreated(ILogger logger, string key, string file);

    [LoggerMessage(2011, LogLevel.Information, "The KEK '{Key}' in '{File}' was rotated; version {Version} is primary.", EventName = "KekRotated")]
    public static partial void KekRotated(ILogger logger, string key, string file, int version);

    [LoggerMessage(2012, LogLevel.Information, "The KEK '{Key}' in '{File}' was enabled.", EventName = "KekEnabled")]
    public static partial void KekEnabled(ILogger logger, string key, string file);

    [LoggerMessage(2013, LogLevel.Warning, "The KEK '{Key}' in '{File}' was disabled: what it wrapped cannot be unwrapped.", EventName = "KekDisabled")]
    public static partial void KekDisabled(ILogger logger, string key, string file);

    [LoggerMessage(2020, LogLevel.Debug, "A key was wrapped under version {Version} of the KEK '{Key}' in '{File}'.", EventName = "KeyWrapped")]
    public static partial void KeyWrapped(ILogger logger, uint version, string key, string file);

    [LoggerMessage(2021, LogLevel.Debug, "A key was unwrapped under version {Version} of the KEK '{Key}' in '{File}'.", EventName = "KeyUnwrapped")]
    public static partial void KeyUnwrapped(ILogger logger, uint version, string key, string file);
}
