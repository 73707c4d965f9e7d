using System.Diagnostics;
using System.Runtime.InteropServices;
using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

/// <summary>A file that lies in the working directory may be another user's: what it names counts only when this user has confirmed it.</summary>
public sealed partial class TrustTests : ServerTests<SqliteWorld>
{
    private const string Places = """{ "provider": "sqlite", "scope": "clinic", "connection": "Data Source=clinic.db", "kms": { "file": "kms.db", "keyFile": "kms.key" } }""";

    private string ConfigFile => Path.Combine(World.Directory, "efenvelope.json");

    [Theory]
    [InlineData("""{ "connection": "Data Source=clinic.db" }""")]
    [InlineData("""{ "connections": { "live": "Data Source=clinic.db" }, "connectionName": "live" }""")]
    public async Task A_connection_in_a_file_that_was_only_found_does_not_count(string text)
    {
        await PrepareAsync(text);
        (await World.RunAsync("status")).Fails(2, "efenvelope.json' says where the database or the KMS is, but it was not confirmed as it is now", "run 'efenvelope trust', or name it: '--config efenvelope.json'");
        (await World.RunAsync("status", "--config", "efenvelope.json")).Exits(0);
        World.Environment["EFENVELOPE_CONFIG"] = "efenvelope.json";
        (await World.RunAsync("status")).Exits(0);
    }

    [Theory]
    [InlineData("""{ "type": "pkcs11", "kek": "pkcs11:token=t;object=k", "module": "evil.so", "pinEnvironment": "EFENVELOPE_PIN" }""")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://127.0.0.1:9", "tokenEnvironment": "VAULT_TOKEN" }""")]
    [InlineData("""{ "type": "aws", "kek": "aws-kms:alias/clinic", "endpoint": "https://127.0.0.1:9", "region": "eu-west-1" }""")]
    [InlineData("""{ "type": "google", "kek": "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k", "credentialsFile": "x" }""")]
    [InlineData("""{ "type": "oci", "kek": "oci-kms:ocid1.key.x", "cryptoEndpoint": "https://127.0.0.1:9", "configFile": "x" }""")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:127.0.0.1/keys/clinic" }""")]
    [InlineData("""{ "type": "local", "provider": "postgresql", "connectionEnvironment": "PGPASSWORD", "keyFile": "kms.key" }""")]
    [InlineData("""{ "file": "kms.db", "passphraseEnvironment": "EFENVELOPE_KMS_PASSPHRASE" }""")]
    public async Task A_kms_in_a_file_that_was_only_found_does_not_count(string kms)
    {
        await PrepareAsync($$"""{ "kms": {{kms}} }""");
        World.Environment["EFENVELOPE_CONNECTION"] = World.ConnectionString;
        World.Environment["EFENVELOPE_PIN"] = World.Environment["VAULT_TOKEN"] = "hunter2";

        var status = (await World.RunAsync("status")).Exits(0);

        Assert.Contains("the connection and the KMS in", status.Error, StringComparison.Ordinal);
        Assert.Contains("no KMS is configured, so no copy was judged", status.Error, StringComparison.Ordinal);
        (await World.RunAsync("verify")).Fails(2, "was not confirmed as it is now", "run 'efenvelope trust'");
    }

    [Fact]
    public async Task What_flags_and_variables_name_counts_beside_a_file_that_does_not()
    {
        await PrepareAsync("""{ "kms": { "type": "pkcs11", "kek": "pkcs11:token=t;object=k", "module": "evil.so" } }""");
        World.Environment["EFENVELOPE_CONNECTION"] = World.ConnectionString;

        (await World.RunAsync("verify", "--kms-file", "kms.db", "--kms-key-file", "kms.key")).Exits(0);
    }

    [Fact]
    public async Task A_file_that_was_confirmed_counts_until_it_changes()
    {
        await PrepareAsync(Places);
        (await World.RunAsync("verify")).Exits(2);

        var trusted = (await World.RunAsync("trust")).Exits(0);

        Assert.Contains($"file\t{ConfigFile}", trusted.Lines);
        Assert.Contains("kms keyFile\tkms.key", trusted.Lines);
        Assert.DoesNotContain("Data Source", trusted.Out, StringComparison.Ordinal);
        (await World.RunAsync("verify")).Exits(0);
        File.AppendAllText(ConfigFile, " ");
        (await World.RunAsync("verify")).Fails(2, "was not confirmed as it is now", "run 'efenvelope trust'");
        (await World.RunAsync("trust")).Exits(0);
        (await World.RunAsync("verify")).Exits(0);
    }

    [Fact]
    public async Task The_same_content_elsewhere_is_not_confirmed()
    {
        await PrepareAsync(Places);
        (await World.RunAsync("trust")).Exits(0);
        var other = Directory.CreateDirectory(Path.Combine(World.Directory, "other")).FullName;
        File.Copy(ConfigFile, Path.Combine(other, "efenvelope.json"));

        (await Tool.RunAsync(World.Environment, other, CancellationToken.None, "verify")).Fails(2, "was not confirmed", "efenvelope trust");
    }

    [Fact]
    public async Task A_file_that_others_can_write_is_never_confirmed_and_loses_its_confirmation()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes of files.");
        await PrepareAsync(Places);
        (await World.RunAsync("trust")).Exits(0);
        foreach (var mode in new[] { UnixFileMode.GroupWrite, UnixFileMode.OtherWrite })
        {
            SetMode(ConfigFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | mode);
            (await World.RunAsync("verify")).Fails(2, "was not confirmed", "efenvelope trust");
            (await World.RunAsync("trust")).Fails(2, "is not this user's, or others can write it", "chmod go-w");
        }

        SetMode(ConfigFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        (await World.RunAsync("verify")).Exits(0);
    }

    [Fact]
    public async Task A_file_of_another_user_is_never_confirmed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && GetEffectiveUser() == 0, "Only root can give a file to another user.");
        await PrepareAsync(Places);
        (await World.RunAsync("trust")).Exits(0);
        using (var chown = Process.Start("chown", ["65534", ConfigFile]))
            await chown.WaitForExitAsync();

        (await World.RunAsync("verify")).Fails(2, "was not confirmed", "efenvelope trust");
        (await World.RunAsync("trust")).Fails(2, "is not this user's, or others can write it", "Copy it");
    }

    [Fact]
    public async Task A_list_that_others_can_write_or_that_is_damaged_confirms_nothing()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes of files.");
        await PrepareAsync(Places);
        (await World.RunAsync("trust")).Exits(0);
        var list = Path.Combine(World.Directory, "config", "efenvelope", "trusted.json");
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(list));
        SetMode(list, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        (await World.RunAsync("verify")).Exits(2);
        SetMode(list, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        (await World.RunAsync("verify")).Exits(0);
        File.WriteAllText(list, "{");
        (await World.RunAsync("verify")).Exits(2);
    }

    [Fact]
    public async Task A_file_without_places_needs_no_confirmation()
    {
        await PrepareAsync("""{ "provider": "sqlite", "scope": "clinic", "refreshInterval": "1s" }""");
        World.Environment["EFENVELOPE_CONNECTION"] = World.ConnectionString;

        Assert.Equal("efenvelope: no KMS is configured, so no copy was judged.", Assert.Single((await World.RunAsync("status")).Exits(0).ErrorLines));
    }

    [Fact]
    public async Task Where_nothing_can_be_confirmed_the_reason_is_named()
    {
        (await World.RunAsync("trust")).Fails(2, "There is no configuration file '.*efenvelope.json'", "--config");
        await PrepareAsync(Places);
        World.Environment.Remove("XDG_CONFIG_HOME");
        (await World.RunAsync("trust")).Fails(2, "not known where this user's configuration is", "Set HOME or XDG_CONFIG_HOME");
    }

    private async Task PrepareAsync(string text)
    {
        await World.FillAsync();
        foreach (var name in new[] { "CONNECTION", "KMS_FILE", "KMS_KEY_FILE" })
            World.Environment.Remove($"EFENVELOPE_{name}");
        World.Environment["XDG_CONFIG_HOME"] = Path.Combine(World.Directory, "config");
        File.WriteAllText(ConfigFile, text);
        SetMode(ConfigFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, mode);
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUser();
}
