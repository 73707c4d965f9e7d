using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.TestUtilities;
using EfEnvelope.Kms.Local;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli;

/// <summary>Flags before the environment before the file; what is missing or wrong is named, and never quoted where it may be a secret.</summary>
public sealed class ConfigurationTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("efenvelope-cli-").FullName;
    private readonly Dictionary<string, string> _environment = [];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Nothing_configured_names_the_three_places()
        => (await RunAsync("status")).Fails(2, "kind of database is not configured", "'--provider', EFENVELOPE_PROVIDER or 'provider' in 'efenvelope.json'");

    [Fact]
    public async Task No_connection_names_the_places()
        => (await RunAsync("status", "--provider", "sqlite")).Fails(2, "No connection is configured", "EFENVELOPE_CONNECTION or 'efenvelope.json'");

    [Fact]
    public async Task Unknown_provider_lists_those_there_are()
        => (await RunAsync("status", "--provider", "oracle")).Fails(2, "'oracle' is not a kind of database", "'sqlite', 'postgresql', 'sqlserver'");

    [Theory]
    [InlineData("postgresql", "Host=db;Bogus=hunter2")]
    [InlineData("sqlite", "Data Source=x.db;Bogus=hunter2")]
    [InlineData("sqlserver", "Server=db;Bogus=hunter2")]
    [InlineData("postgresql", "hunter2")]
    [InlineData("sqlserver", "Server=db;Encrypt=hunter2")]
    [InlineData("sqlite", "Data Source=x.db;Mode=hunter2")]
    [InlineData("postgresql", "Username=hunter2;Database=clinic")]
    [InlineData("postgresql", "Host=;Username=hunter2")]
    [InlineData("postgresql", "Host=db;Port=0;Username=hunter2")]
    [InlineData("sqlserver", "Database=clinic;User Id=hunter2")]
    [InlineData("sqlserver", "Server=;User Id=hunter2")]
    public async Task A_malformed_connection_string_is_not_quoted(string provider, string connection)
    {
        _environment["EFENVELOPE_CONNECTION"] = connection;

        var result = (await RunAsync("status", "--provider", provider)).Fails(2, $"not one for '{provider}'", "Correct it");

        Assert.DoesNotContain("hunter2", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_sqlite_file_is_not_made()
    {
        (await RunAsync("status", "--provider", "sqlite", "--connection", "Data Source=none.db")).Fails(2, "There is no SQLite database '.*none.db'", "never makes a database");

        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory));
    }

    [Fact]
    public async Task Flags_come_before_the_environment_and_the_environment_before_the_file()
    {
        Write("""{ "provider": "file-provider", "connection": "Data Source=file.db" }""");
        Assert.Contains("'file-provider'", (await RunAsync("status")).Error, StringComparison.Ordinal);

        _environment["EFENVELOPE_PROVIDER"] = "variable-provider";
        Assert.Contains("'variable-provider'", (await RunAsync("status")).Error, StringComparison.Ordinal);

        Assert.Contains("'flag-provider'", (await RunAsync("status", "--provider", "flag-provider")).Error, StringComparison.Ordinal);
        Assert.Contains("file.db'", (await RunAsync("status", "--provider", "sqlite")).Error, StringComparison.Ordinal);

        _environment["EFENVELOPE_CONNECTION"] = "Data Source=variable.db";
        Assert.Contains("variable.db'", (await RunAsync("status", "--provider", "sqlite")).Error, StringComparison.Ordinal);
        Assert.Contains("flag.db'", (await RunAsync("status", "--provider", "sqlite", "--connection", "Data Source=flag.db")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_engine_is_chosen_by_the_flag_before_the_environment_and_the_file()
    {
        Write("""{ "engine": "file-engine" }""");
        (await WithDatabase("keys", "list")).Fails(2, "'file-engine' is not an engine", "'platform', 'sodium'");

        _environment["EFENVELOPE_ENGINE"] = "variable-engine";
        (await WithDatabase("keys", "list")).Fails(2, "'variable-engine' is not an engine", "'platform', 'sodium'");

        (await WithDatabase("keys", "list", "--engine", "Sodium")).Fails(2, "'Sodium' is not an engine", "'platform', 'sodium'");
        (await WithDatabase("keys", "list", "--engine", "sodium")).Exits(0);
        (await WithDatabase("keys", "list", "--engine", "platform")).Exits(0);
    }

    [Fact]
    public void The_engine_of_that_name_encrypts()
    {
        var (platform, sodium) = (new EnvelopeOptionsBuilder(), new EnvelopeOptionsBuilder());
        EncryptionEngine.Find("platform").Use(platform);
        EncryptionEngine.Find("sodium").Use(sodium);

        Assert.Equal(new EnvelopeOptionsBuilder().Options, platform.Options);
        Assert.Equal(new EnvelopeOptionsBuilder().UseSodium().Options, sodium.Options);
        Assert.NotEqual(platform.Options, sodium.Options);
    }

    [Fact]
    public void An_engine_that_cannot_be_used_here_names_the_other_by_settings_of_the_tool()
    {
        var engine = new EncryptionEngine("sodium", _ => throw new EnvelopeConfigurationException("It needs AES instructions (a, b). Remove 'UseSodium()', a call."));

        var failure = Failure.Of(Assert.Throws<EnvelopeConfigurationException>(() => engine.Use(new EnvelopeOptionsBuilder())), CancellationToken.None);

        Assert.Equal((2, "It needs AES instructions (a, b)."), (failure.ExitCode, failure.Error));
        Assert.Equal("Choose 'platform' by '--engine', EFENVELOPE_ENGINE or 'engine' in 'efenvelope.json': the stored bytes are the same.", failure.Hint);
    }

    [Fact]
    public async Task A_connection_is_chosen_by_its_name()
    {
        Write("""{ "provider": "sqlite", "connections": { "live": "Data Source=live.db", "test": "Data Source=test.db" } }""");

        Assert.Contains("live.db'", (await RunAsync("status", "--connection-name", "live")).Error, StringComparison.Ordinal);
        (await RunAsync("status", "--connection-name", "none")).Fails(2, "no connection 'none'", "'live', 'test'");
    }

    [Fact]
    public async Task Paths_in_a_file_lead_from_that_file()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "sub"));
        Write("""{ "provider": "sqlite", "connection": "Data Source=there.db" }""", Path.Combine("sub", "my.json"));

        var result = await RunAsync("status", "--config", Path.Combine("sub", "my.json"));

        Assert.Contains(Path.Combine(_directory, "sub", "there.db"), result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "provider": "sqlite", "conection": "Password=hunter2" }""", "'conection' in the configuration file .* is not a setting", "'connection'")]
    [InlineData("""{ "provider": "sqlite",\n "connection": "Password=hunter2 }""", "is not a JSON object; see line", "Mend it")]
    [InlineData("""["hunter2"]""", "is not a JSON object", "Mend it")]
    [InlineData("""{ "provider": 3 }""", "'provider' .* is not text", "double quotes")]
    [InlineData("""{ "kms": "hunter2" }""", "not as it should be", "'kms' an object")]
    [InlineData("""{ "kms": { "type": "local", "passphrase": "hunter2" } }""", "holds the KMS setting 'passphrase', a secret", "EFENVELOPE_KMS_PASSPHRASE")]
    public async Task A_faulty_file_is_named_without_its_secrets(string text, string error, string hint)
    {
        Write(text);

        var result = (await RunAsync("keys", "list")).Fails(2, error, hint);

        Assert.DoesNotContain("hunter2", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_was_named_must_exist()
        => (await RunAsync("status", "--config", "none.json")).Fails(2, "There is no configuration file '.*none.json'", "--config");

    [Fact]
    public async Task A_missing_kms_names_the_places()
        => (await WithDatabase("verify")).Fails(2, "No KMS is configured", "'--kms-file' and '--kms-key-file'");

    [Theory]
    [InlineData("""{ "kms": { "type": "cloud" } }""", "'cloud' is not a kind of KMS", "'local'")]
    [InlineData("""{ "kms": { "type": "local", "fil": "x" } }""", "'fil' is not a setting of the KMS 'local'", "'file'")]
    [InlineData("""{ "kms": { "type": "local", "kek": "clinic" } }""", "'clinic' is not a KEK", "'local:clinic'")]
    [InlineData("""{ "kms": { "type": "local", "kek": "aws-kms:alias/x" } }""", "not one of the KMS 'local'", "local:")]
    [InlineData("""{ "kms": { "type": "local" } }""", "file of the local KMS is not configured", "--kms-file")]
    [InlineData("""{ "kms": { "file": "none.db", "keyFile": "k" } }""", "There is no KMS in '.*none.db'", "only 'kms keys create', or 'keys create' for a first key, makes a new one")]
    [InlineData("""{ "kms": { "file": "kms.db" } }""", "Nothing opens the local KMS", "--kms-key-file")]
    [InlineData("""{ "kms": { "file": "kms.db", "keyFile": "none.key" } }""", "key file '.*none.key' does not exist", "head -c 32")]
    [InlineData("""{ "kms": { "file": "kms.db", "keyFile": "kms.key", "passphraseFile": "p" } }""", "'keyFile', 'passphraseFile' exclude each other", "Give one")]
    [InlineData("""{ "kms": { "type": "vault", "kek": "vault-transit:transit/c", "address": "http://kms.example.org:8200" } }""", "The KMS setting 'address' is not an address", "'http://' is for loopback only")]
    [InlineData("""{ "kms": { "type": "aws", "kek": "aws-kms:alias/c", "endpoint": "http://10.0.0.1" } }""", "The KMS setting 'endpoint' is not an address", "'http://' is for loopback only")]
    [InlineData("""{ "kms": { "file": "kms.db", "passphraseFile": "none.txt" } }""", "none.txt' could not be read", "Correct the path")]
    [InlineData("""{ "kms": { "file": "kms.db", "passphraseEnvironment": "CLINIC_PASSPHRASE" } }""", "passphrase in 'CLINIC_PASSPHRASE' is empty", "Give the one")]
    public async Task A_faulty_kms_is_named(string text, string error, string hint)
    {
        Write(text);
        File.WriteAllText(Path.Combine(_directory, "kms.db"), "x");
        LocalKmsSeal.CreateKeyFile(Path.Combine(_directory, "kms.key"));

        (await WithDatabase("verify")).Fails(2, error, hint);
    }

    [Fact]
    public async Task Flags_for_one_kms_are_refused_where_a_file_has_several()
    {
        Write("""{ "kms": [{ "file": "a.db" }, { "file": "b.db" }] }""");

        (await WithDatabase("verify", "--kek", "local:x")).Fails(2, "several KMS, but flags describe one", "'--kek'");
    }

    [Theory]
    [InlineData("EFENVELOPE_REFRESH_INTERVAL", "soon", "'refreshInterval' is 'soon'", "'2h'")]
    [InlineData("EFENVELOPE_ACTIVATION_DELAY", "1s", "'EnvelopeOptions.ActivationDelay' is 00:00:01", "at least RefreshInterval")]
    [InlineData("EFENVELOPE_SCOPE", "a b", "'a b' is not a key scope", "1 to 200 letters")]
    public async Task Options_are_checked(string variable, string value, string error, string hint)
    {
        _environment[variable] = value;

        (await WithDatabase("keys", "list")).Fails(2, error, hint);
    }

    private Task<ToolResult> WithDatabase(params string[] args)
    {
        File.WriteAllText(Path.Combine(_directory, "clinic.db"), "");
        return RunAsync([.. args, "--provider", "sqlite", "--connection", "Data Source=clinic.db"]);
    }

    private Task<ToolResult> RunAsync(params string[] args) => Tool.RunAsync(_environment, _directory, CancellationToken.None, args);

    // Named, so that it counts without being confirmed.
    private void Write(string text, string name = "efenvelope.json")
    {
        File.WriteAllText(Path.Combine(_directory, name), text.Replace("\\n", "\n", StringComparison.Ordinal));
        _environment["EFENVELOPE_CONFIG"] = name;
    }
}
