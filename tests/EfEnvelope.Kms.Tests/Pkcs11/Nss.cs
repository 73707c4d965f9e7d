using EfEnvelope.Kms.Pkcs11;
using EfEnvelope.Kms.Tests.Conformance;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace EfEnvelope.Kms.Tests.Pkcs11;

/// <summary>
/// The software token of NSS, with its database in a directory of this process. It gets the database's place when it starts, which is once,
/// so there is one token for the process.
/// </summary>
internal static class Nss
{
    private const string Label = "clinic of NSS";
    private static readonly Lazy<Pkcs11Options> Made = new(Make);

    public static string? Module { get; } = Environment.GetEnvironmentVariable("EFENVELOPE_NSS") ?? new[]
        {
            "/usr/lib/x86_64-linux-gnu/libsoftokn3.so", "/usr/lib/x86_64-linux-gnu/nss/libsoftokn3.so", "/usr/lib/aarch64-linux-gnu/libsoftokn3.so",
            "/usr/lib/aarch64-linux-gnu/nss/libsoftokn3.so", "/usr/lib64/libsoftokn3.so",
        }.FirstOrDefault(File.Exists);

    /// <summary>Gets the token with a user's PIN. Skips the test when there is no NSS.</summary>
    public static Pkcs11Options Token()
    {
        Assert.SkipWhen(Module is null || !OperatingSystem.IsLinux(), "NSS (Debian package libnss3) is not installed.");
        return Made.Value;
    }

    private static Pkcs11Options Make()
    {
        var directory = Directory.CreateTempSubdirectory("efenvelope-nss.").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(directory, recursive: true);
        var options = new Pkcs11Options
        {
            ModulePath = Module!,
            ModuleParameters = $"configdir='sql:{directory}' dbTokenDescription='{Label}'",
            TokenLabel = Label,
            Pin = Pkcs11Pin.Of($"pin-{Guid.NewGuid():N}"),
            Timeout = KmsHarness.Patience,
        };
        using var session = SoftHsm.Slot(options).OpenSession(SessionType.ReadWrite);
        session.Login(CKU.CKU_SO, "");
        session.InitPin(options.Pin.ReadAsync(default).AsTask().Result);
        session.Logout();
        return options;
    }
}
