using System.Diagnostics;
using System.Runtime.InteropServices;
using EfEnvelope.Kms.Pkcs11;
using EfEnvelope.Kms.Tests.Conformance;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace EfEnvelope.Kms.Tests.Pkcs11;

/// <summary>
/// SoftHSM 2 with tokens in a directory of this process. Its configuration is found by an environment variable that is read once, by C code, so it is set with
/// the C library's own function: .NET's does not reach it. Tokens are made through the module, which does not see those that other processes make later.
/// </summary>
internal static class SoftHsm
{
    private static readonly Lock One = new();
    private static readonly Lazy<string> Configured = new(Configure);
    private static int _tokens;

    public static string? Module { get; } = Environment.GetEnvironmentVariable("EFENVELOPE_SOFTHSM") ?? new[]
        {
            "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so",
            "/opt/homebrew/lib/softhsm/libsofthsm2.so",
        }.FirstOrDefault(File.Exists);

    public static void Require()
        => Assert.SkipWhen(Module is null || !OperatingSystem.IsLinux(), "SoftHSM (Debian package softhsm2) is not installed.");

    /// <summary>Makes a token with a user's PIN. Skips the test when there is no SoftHSM.</summary>
    public static Pkcs11Options NewToken(string? label = null)
    {
        Require();
        var pin = $"pin-{Guid.NewGuid():N}";
        label ??= $"token {Interlocked.Increment(ref _tokens)}";
        lock (One)
        {
            var slot = Library().GetSlotList(SlotsType.WithTokenPresent).Last(s => !s.GetTokenInfo().TokenFlags.TokenInitialized);
            slot.InitToken("so-pin-1234", label);
            using var session = slot.OpenSession(SessionType.ReadWrite);
            session.Login(CKU.CKU_SO, "so-pin-1234");
            session.InitPin(pin);
            session.Logout();
        }

        return new Pkcs11Options { ModulePath = Module!, TokenLabel = label, Pin = Pkcs11Pin.Of(pin), Timeout = KmsHarness.Patience };
    }

    /// <summary>The module as another component of this process would load it. Disposing of it finalizes the module for everybody.</summary>
    public static IPkcs11Library Library()
    {
        _ = Configured.Value;
        // Loading sets the resolver for the name 'libdl', too.
        var none = new Pkcs11Options { ModulePath = Module!, TokenLabel = "no such token", Pin = Pkcs11Pin.Of("1") };
        Assert.Throws<KmsException>(() => Slot(none));
        var factories = new Pkcs11InteropFactories();
        return factories.Pkcs11LibraryFactory.LoadPkcs11Library(factories, Module!, AppType.MultiThreaded);
    }

    public static ISlot Slot(Pkcs11Options options) => Pkcs11Module.Of(options.ModulePath).FindToken(options);

    /// <summary>Does something in a session that may write, logged in as the token's user, as an administrator would.</summary>
    public static T Administer<T>(Pkcs11Options options, Func<ISession, T> action)
    {
        using var session = Slot(options).OpenSession(SessionType.ReadWrite);
        try
        {
            session.Login(CKU.CKU_USER, options.Pin.ReadAsync(default).AsTask().Result);
        }
        catch (Pkcs11Exception e) when (e.RV == CKR.CKR_USER_ALREADY_LOGGED_IN)
        {
        }

        return action(session);
    }

    /// <summary>Puts a key of known bytes on the token.</summary>
    public static void Import(Pkcs11Options options, string label, byte[] id, byte[] key)
        => Administer(options, session =>
        {
            var attributes = session.Factories.ObjectAttributeFactory;
            return session.CreateObject(
            [
                attributes.Create(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY), attributes.Create(CKA.CKA_KEY_TYPE, CKK.CKK_AES), attributes.Create(CKA.CKA_TOKEN, true),
                attributes.Create(CKA.CKA_PRIVATE, true), attributes.Create(CKA.CKA_LABEL, label), attributes.Create(CKA.CKA_ID, id),
                attributes.Create(CKA.CKA_VALUE, key), attributes.Create(CKA.CKA_ENCRYPT, true), attributes.Create(CKA.CKA_DECRYPT, true),
            ]);
        });

    public static List<IObjectHandle> KeysOf(ISession session, string label)
        => session.FindAllObjects(
            [session.Factories.ObjectAttributeFactory.Create(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY), session.Factories.ObjectAttributeFactory.Create(CKA.CKA_LABEL, label)]);

    public static void Set(Pkcs11Options options, string label, params (CKA Attribute, bool Value)[] values)
        => Administer(options, session =>
        {
            foreach (var key in KeysOf(session, label))
                session.SetAttributeValue(key, [.. values.Select(v => session.Factories.ObjectAttributeFactory.Create(v.Attribute, v.Value))]);
            return 0;
        });

    public static void Remove(Pkcs11Options options, string label)
        => Administer(options, session =>
        {
            KeysOf(session, label).ForEach(session.DestroyObject);
            return 0;
        });

    /// <summary>Runs softhsm2-util: another process on the same tokens.</summary>
    public static async Task RunUtilityAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("softhsm2-util", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["SOFTHSM2_CONF"] = Configured.Value;
        using var process = Process.Start(start)!;
        var said = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, said);
    }

    private static string Configure()
    {
        var directory = Directory.CreateTempSubdirectory("efenvelope-softhsm.").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(directory, recursive: true);
        Directory.CreateDirectory(Path.Combine(directory, "tokens"));
        var file = Path.Combine(directory, "softhsm2.conf");
        File.WriteAllText(file, $"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n");
        Assert.Equal(0, SetEnvironment("SOFTHSM2_CONF", file, 1));
        return file;
    }

    [DllImport("libc", EntryPoint = "setenv")]
    public static extern int SetEnvironment(
        [MarshalAs(UnmanagedType.LPUTF8Str)] string name, [MarshalAs(UnmanagedType.LPUTF8Str)] string value, int overwrite);
}
