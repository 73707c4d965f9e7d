using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Pkcs11;

// Event ids 2600 to 2699 belong to PKCS#11 and never change their meaning.
internal static partial class Pkcs11Log
{
    [LoggerMessage(2600, LogLevel.Debug, "A key was wrapped under version {Version} of '{Kek}'.", EventName = "KeyWrapped")]
    public static partial void KeyWrapped(ILogger logger, string version, KekUri kek);

    [LoggerMessage(2601, LogLevel.Debug, "A key was unwrapped under version {Version} of '{Kek}'.", EventName = "KeyUnwrapped")]
    public static partial void KeyUnwrapped(ILogger logger, string version, KekUri kek);

    [LoggerMessage(2602, LogLevel.Information, "Logged in to the token '{Token}'.", EventName = "TokenLoggedIn")]
    public static partial void TokenLoggedIn(ILogger logger, string token);

    [LoggerMessage(2603, LogLevel.Warning, "The token '{Token}' dropped its sessions ({Code}); they are opened anew.", EventName = "SessionsReopened")]
    public static partial void SessionsReopened(ILogger logger, string token, string code);

    [LoggerMessage(2604, LogLevel.Error, "The token '{Token}' refused the PIN ({Code}). It is not sent again by this process.", EventName = "PinRefused")]
    public static partial void PinRefused(ILogger logger, string token, string code);

    [LoggerMessage(2610, LogLevel.Information, "Version {Version} of '{Kek}' was created.", EventName = "KekCreated")]
    public static partial void KekCreated(ILogger logger, string version, KekUri kek);
}
