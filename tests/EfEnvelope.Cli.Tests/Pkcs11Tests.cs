using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using EfEnvelope.Cli.TestUtilities;
using EfEnvelope.Kms.Pkcs11;

namespace EfEnvelope.Cli;

/// <summary>The tool with a real SoftHSM token.</summary>
public sealed partial class Pkcs11Tests : ServerTests<SqliteWorld>
{
    private const string Kek = "pkcs11:token=clinic;object=kek";
    private const string Pin = "98765432";

    private static readonly string? Module = new[] { "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so" }.FirstOrDefault(File.Exists);

    [Fact]
    public async Task Keys_move_from_a_file_to_a_token_and_follow_its_versions()
    {
        var token = await MakeTokenAsync();
        await World.FillAsync();
        await File.WriteAllTextAsync(Path.Combine(World.Directory, "pin.txt"), Pin + "\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(World.Directory, "both.json"),
            $$"""{ "kms": [{ "type": "pkcs11", "kek": "{{Kek}}", "module": "{{Module}}", "pinFile": "pin.txt" }, { "file": "kms.db", "keyFile": "kms.key" }] }""",
            TestContext.Current.CancellationToken);

        // Under both, then under the token alone.
        (await World.RunAsync("keys", "rewrap", "--config", "both.json", "--execute")).Exits(0);
        Assert.Equal([Kek, "local:efenvelope"], (await KeksAsync("--config", "both.json")).Select(k => k.Kek));
        World.Environment.Remove("EFENVELOPE_KMS_FILE");
        World.Environment.Remove("EFENVELOPE_KMS_KEY_FILE");
        World.Environment["EFENVELOPE_KMS_KEK"] = Kek;
        World.Environment["EFENVELOPE_KMS_MODULE"] = Module!;
        World.Environment["EFENVELOPE_KMS_PIN"] = Pin;
        (await World.RunAsync("keys", "rewrap", "--execute")).Exits(0);
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        Assert.Equal(Kek, Assert.Single(await KeksAsync()).Kek);
        Assert.DoesNotContain("stale-copies", await FindingsAsync());

        // A process of its own sees what the token's administrator made.
        await Pkcs11Kms.CreateKeyAsync("kek", token, TestContext.Current.CancellationToken);
        using (var tool = ToolProcess.Start(World.Environment, World.Directory, "doctor", "--json"))
            Assert.Contains("stale-copies", CodesOf((await tool.WaitAsync()).Json));
        (await World.RunAsync("keys", "rewrap", "--execute")).Exits(0);
        Assert.Equal(Kek, Assert.Single(await KeksAsync()).Kek);
        Assert.DoesNotContain("stale-copies", await FindingsAsync());
        (await World.RunAsync("verify")).Exits(0);
    }

    private async Task<List<(string? Kek, string? State)>> KeksAsync(params string[] args)
        => [.. (await World.JsonAsync(["status", .. args])).GetProperty("copies").EnumerateArray().Select(c => (c.GetProperty("kek").GetString(), c.GetProperty("state").GetString()))];

    private async Task<IEnumerable<string?>> FindingsAsync() => CodesOf((await World.RunAsync("doctor", "--json")).Json);

    private static IEnumerable<string?> CodesOf(JsonElement doctor)
        => doctor.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("code").GetString());

    private async Task<Pkcs11Options> MakeTokenAsync()
    {
        Assert.SkipWhen(Module is null || !OperatingSystem.IsLinux(), "SoftHSM (Debian package softhsm2) is not installed.");
        var conf = Path.Combine(World.Directory, "softhsm2.conf");
        Directory.CreateDirectory(Path.Combine(World.Directory, "tokens"));
        await File.WriteAllTextAsync(conf, $"directories.tokendir = {World.Directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", TestContext.Current.CancellationToken);

        // The module reads it once, by C code, which '.NET' does not reach.
        Assert.Equal(0, SetEnvironment("SOFTHSM2_CONF", conf, 1));
        World.Environment["SOFTHSM2_CONF"] = conf;
        var start = new ProcessStartInfo("softhsm2-util", ["--init-token", "--free", "--label", "clinic", "--so-pin", "12345678", "--pin", Pin]) { RedirectStandardOutput = true };
        start.Environment["SOFTHSM2_CONF"] = conf;
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        var token = new Pkcs11Options { ModulePath = Module!, TokenLabel = "clinic", Pin = Pkcs11Pin.Of(Pin) };
        await Pkcs11Kms.CreateKeyAsync("kek", token, TestContext.Current.CancellationToken);
        return token;
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
