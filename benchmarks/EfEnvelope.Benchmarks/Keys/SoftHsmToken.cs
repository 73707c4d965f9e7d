using System.Diagnostics;
using System.Runtime.InteropServices;
using EfEnvelope.Kms.Pkcs11;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>A token of SoftHSM 2 in a directory of this process.</summary>
internal static class SoftHsmToken
{
    private const string Module = "/usr/lib/softhsm/libsofthsm2.so";
    private const string Pin = "a PIN for measuring";

    private static readonly Lazy<bool> Made = new(Make);

    public static Pkcs11Options New() => Made.Value
        ? new Pkcs11Options { ModulePath = Module, TokenLabel = "bench", Pin = Pkcs11Pin.Of(Pin) }
        : throw new InvalidOperationException("SoftHSM (Debian package softhsm2) is not installed.");

    private static bool Make()
    {
        if (!File.Exists(Module))
            return false;
        var directory = Places.NewDirectory();
        Directory.CreateDirectory(Path.Combine(directory, "tokens"));
        var configuration = Path.Combine(directory, "softhsm2.conf");
        File.WriteAllText(configuration, $"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n");

        // The module asks the C library, which .NET's own function does not reach.
        if (SetEnvironment("SOFTHSM2_CONF", configuration, 1) != 0)
            return false;
        var start = new ProcessStartInfo("softhsm2-util", ["--init-token", "--free", "--label", "bench", "--so-pin", Pin, "--pin", Pin])
        {
            RedirectStandardOutput = true,
            Environment = { ["SOFTHSM2_CONF"] = configuration },
        };
        using var process = Process.Start(start)!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    [DllImport("libc", EntryPoint = "setenv")]
    private static extern int SetEnvironment(
        [MarshalAs(UnmanagedType.LPUTF8Str)] string name, [MarshalAs(UnmanagedType.LPUTF8Str)] string value, int overwrite);
}
