using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local;

// Event ids 2000 to 2099 belong to the embedded KMS and never change their meaning.
internal static partial class LocalKmsLog
{
    [LoggerMessage(
        2000, LogLevel.Warning,
        "The KMS '{File}' was created, sealed by '{Seal}'. Keep it where it outlives this process, machine or container, and back it up: without it, nothing that it wrapped can be read.",
        EventName = "KmsCreated")]
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

    [LoggerMessage(
        2019, LogLevel.Warning,
        "Access to the KMS '{File}' is enforced, and no rule lets anybody rotate, disable or delete the keys '{Keys}'. Make a principal "
            + "and a policy that does.",
        EventName = "KeysWithoutAdministrator")]
    public static partial void KeysWithoutAdministrator(ILogger logger, string file, string keys);

    [LoggerMessage(
        2022, LogLevel.Warning, "Access to the KMS '{File}' is enforced. Which keys have an administrator could not be read.", EventName = "AdministratorsUnknown")]
    public static partial void AdministratorsUnknown(ILogger logger, string file, Exception exception);

    [LoggerMessage(2020, LogLevel.Debug, "A key was wrapped under version {Version} of the KEK '{Key}' in '{File}'.", EventName = "KeyWrapped")]
    public static partial void KeyWrapped(ILogger logger, uint version, string key, string file);

    [LoggerMessage(2021, LogLevel.Debug, "A key was unwrapped under version {Version} of the KEK '{Key}' in '{File}'.", EventName = "KeyUnwrapped")]
    public static partial void KeyUnwrapped(ILogger logger, uint version, string key, string file);

    [LoggerMessage(2003, LogLevel.Information, "The KMS '{File}' was restored from a backup.", EventName = "KmsRestored")]
    public static partial void KmsRestored(ILogger logger, string file);

    [LoggerMessage(2004, LogLevel.Information, "A seal '{Seal}' was added to the KMS '{File}'.", EventName = "SealAdded")]
    public static partial void SealAdded(ILogger logger, string seal, string file);

    [LoggerMessage(2005, LogLevel.Information, "{Count} seals were removed from the KMS '{File}'.", EventName = "SealRemoved")]
    public static partial void SealRemoved(ILogger logger, int count, string file);

    [LoggerMessage(2014, LogLevel.Warning, "The key '{Key}' in '{File}' is to be deleted at {At}.", EventName = "KeyDeletionScheduled")]
    public static partial void KeyDeletionScheduled(ILogger logger, string key, string file, DateTimeOffset at);

    [LoggerMessage(2015, LogLevel.Information, "The deletion of the key '{Key}' in '{File}' was cancelled; it is disabled.", EventName = "KeyDeletionCancelled")]
    public static partial void KeyDeletionCancelled(ILogger logger, string key, string file);

    [LoggerMessage(2016, LogLevel.Warning, "The key '{Key}' in '{File}' was deleted: what it wrapped is lost.", EventName = "KeyDestroyed")]
    public static partial void KeyDestroyed(ILogger logger, string key, string file);

    [LoggerMessage(2017, LogLevel.Information, "Version {Version} of the key '{Key}' in '{File}' is now {State}.", EventName = "KeyVersionChanged")]
    public static partial void KeyVersionChanged(ILogger logger, int version, string key, string file, string state);

    [LoggerMessage(2018, LogLevel.Information, "Version {Version} of the key '{Key}' was imported into '{File}'.", EventName = "KeyImported")]
    public static partial void KeyImported(ILogger logger, int version, string key, string file);
}
