using EfEnvelope.Kms;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Testing;

// Event ids 2900 to 2999 belong to the KMS for tests and never change their meaning.
internal static partial class TestKmsLog
{
    [LoggerMessage(
        2900,
        LogLevel.Warning,
        "THE KMS FOR TESTS IS IN USE. Data keys are wrapped under '{Kek}', a key that everybody has, so encrypted values are protected from nobody. "
            + "If this is not a test, replace 'UseTestKms()' and remove the package EfEnvelope.Testing.",
        EventName = "TestKmsUsed")]
    public static partial void TestKmsUsed(ILogger logger, KekUri kek);
}
