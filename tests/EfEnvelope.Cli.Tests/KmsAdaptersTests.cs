using System.Security.Cryptography;
using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

/// <summary>The settings of every kind of KMS. Nothing is asked of a network, so what is configured is right or wrong at once.</summary>
public sealed class KmsAdaptersTests : IDisposable
{
    private const string Google = "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k";
    private const string Oci = "oci-kms:ocid1.key.oc1.eu-frankfurt-1.bjqm.abth";

    private readonly string _directory = Directory.CreateTempSubdirectory("efenvelope-cli-").FullName;
    private readonly Dictionary<string, string> _environment = [];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("aws-kms:alias/clinic", "")]
    [InlineData("aws-kms:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "ENDPOINT=https://vpce.example.org|REGION=eu-central-1")]
    [InlineData("azure-kv:clinic.vault.azure.net/keys/clinic", "")]
    [InlineData("azure-kv:clinic.vault.azure.net/keys/clinic", "ALGORITHM=RSA-OAEP-256|SCOPE=https://vault.azure.net/.default|OTHER_VAULT_HOSTS=clinic2.vault.azure.net, .vault.azure.cn")]
    [InlineData("azure-kv:clinic.managedhsm.azure.net/keys/clinic", "ALGORITHM=A256GCM|ENDPOINT=https://10.0.0.4:8443|API_VERSION=7.5|TIMEOUT=10s|RETRIES=3")]
    [InlineData(Google, "")]
    [InlineData(Google, "TOKEN=ya29.x")]
    [InlineData(Oci, "CRYPTO_ENDPOINT=https://bjqm-crypto.kms.eu-frankfurt-1.oraclecloud.com|MANAGEMENT_ENDPOINT=https://bjqm-management.kms.eu-frankfurt-1.oraclecloud.com|PROFILE=CLINIC")]
    [InlineData(Oci, "CRYPTO_ENDPOINT=https://bjqm-crypto.kms.eu-frankfurt-1.oraclecloud.com|PRINCIPAL=instance")]
    [InlineData(Oci, "CRYPTO_ENDPOINT=https://bjqm-crypto.kms.eu-frankfurt-1.oraclecloud.com|PRINCIPAL=resource|TIMEOUT=10s|RETRIES=3")]
    [InlineData("vault-transit:transit/clinic", "ADDRESS=https://vault.example.org:8200")]
    [InlineData("vault-transit:transit/clinic", "ADDRESS=https://vault.example.org:8200|KUBERNETES_ROLE=clinic|TIMEOUT=10s|RETRIES=3")]
    [InlineData("vault-transit:transit/clinic", "ADDRESS=https://vault.example.org:8200|KUBERNETES_ROLE=clinic|AUTH_MOUNT=k8s|KUBERNETES_TOKEN_FILE=module.so")]
    [InlineData("vault-transit:transit/clinic", "ADDRESS=https://vault.example.org:8200|ROLE_ID=r|SECRET_ID=s|AUTH_MOUNT=team/approle")]
    [InlineData("vault-transit:eu/transit/clinic", "ADDRESS=https://vault.example.org:8200|NAMESPACE=clinic|TOKEN=s.x")]
    [InlineData("vault-transit:transit/clinic", "ADDRESS=https://vault.example.org:8200|ROLE_ID=r|SECRET_ID=s")]
    [InlineData("pkcs11:token=clinic;object=kek", "MODULE=module.so|PIN=1234")]
    [InlineData("pkcs11:token=clinic;object=kek", "MODULE=module.so|PIN=1234|MODULE_PARAMETERS=configdir='sql:/etc/clinic/nss'")]
    public async Task A_kms_is_configured_by_its_kek_and_the_environment_without_asking_it(string kek, string settings)
    {
        File.WriteAllText(Path.Combine(_directory, "module.so"), "x");
        foreach (var setting in settings.Split('|', StringSplitOptions.RemoveEmptyEntries))
            _environment[$"EFENVELOPE_KMS_{setting[..setting.IndexOf('=')]}"] = setting[(setting.IndexOf('=') + 1)..];

        var result = (await RunAsync("keys", "create", "clinic", "--kek", kek)).Exits(0);

        Assert.Contains($"wrapped under\t{kek}", result.Lines);
    }

    [Theory]
    [InlineData("""{ "type": "aws" }""", "KEK of the KMS 'aws' is missing", "aws-kms:alias/clinic")]
    [InlineData("""{ "type": "aws", "kek": "aws-kms:alias/clinic", "region": "Europe!" }""", "The KMS 'aws': .*Europe!", "eu-central-1")]
    [InlineData("""{ "type": "aws", "kek": "aws-kms:alias/clinic", "fips": "perhaps" }""", "'fips' is neither 'true' nor 'false'", "Give one of them")]
    [InlineData("""{ "type": "aws", "kek": "aws-kms:alias/clinic", "profile": "no-such-profile" }""", "no usable profile 'no-such-profile'", "aws configure")]
    [InlineData("""{ "type": "aws", "kek": "aws-kms:alias/clinic", "endpoint": "hunter2" }""", "'endpoint' is not an address", "https://")]
    [InlineData("""{ "type": "aws", "kek": "aws-kms:alias/clinic", "file": "x" }""", "'file' is not a setting of the KMS 'aws'", "'region'")]
    [InlineData("""{ "type": "aws", "kek": "azure-kv:h/keys/k" }""", "not one of the KMS 'aws'", "aws-kms:")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:clinic" }""", "The KMS 'azure': 'clinic' is not the identifier of a key", "vault.azure.net")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k/1234" }""", "ends with a version", "Leave it out")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k", "algorithm": "RSA1_5" }""", "'algorithm' is 'RSA1_5'", "'RSA-OAEP-256', 'A256GCM'")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k", "scope": "vault" }""", "The KMS 'azure': .*Scope' is 'vault'", "vault.azure.net/.default")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k", "otherVaultHosts": "h.example.org, .net" }""", "The KMS 'azure': .*OtherVaultHosts", "suffixes")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k", "endpoint": "http://10.0.0.4" }""", "'endpoint' is not an address", "'http://' is for loopback only")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k", "endpoint": "http://127.0.0.1:8443" }""", "The KMS 'azure': .*address", "https")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k", "apiVersion": "7 5" }""", "The KMS 'azure': .*ApiVersion", "7.4")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k", "timeout": "soon" }""", "'timeout' is 'soon'", "5m")]
    [InlineData("""{ "type": "azure", "kek": "azure-kv:h.example.org/keys/k", "timeout": "1d" }""", "The KMS 'azure': .*Timeout' is 1.00:00:00", "5 minutes")]
    [InlineData("""{ "type": "aws", "kek": "aws-kms:alias/clinic", "timeout": "1d" }""", "The KMS 'aws': .*Timeout' is 1.00:00:00", "5 minutes")]
    [InlineData("""{ "type": "aws", "kek": "aws-kms:alias/clinic", "retries": "many" }""", "'retries' is not a number", "0 or more")]
    [InlineData("""{ "type": "google", "kek": "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k", "retries": "-1" }""", "'retries' is not a number", "0 or more")]
    [InlineData("""{ "type": "google", "kek": "gcp-kms:clinic" }""", "The KMS 'google': .*clinic", ".")]
    [InlineData("""{ "type": "google", "kek": "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k", "credentialsFile": "x.json" }""", "x.json' holds no credentials of Google Cloud", "service account")]
    [InlineData("""{ "type": "google", "kek": "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k", "credentialsFile": "none.json" }""", "none.json' could not be read", "Correct the path")]
    [InlineData("""{ "type": "google", "token": "hunter2" }""", "holds the KMS setting 'token', a secret", "EFENVELOPE_KMS_TOKEN, 'tokenEnvironment' or 'tokenFile'")]
    [InlineData("""{ "type": "oci", "kek": "oci-kms:ocid1.key.oc1.eu-frankfurt-1.bjqm.abth" }""", "The KMS 'oci' needs 'cryptoEndpoint'", "EFENVELOPE_KMS_CRYPTO_ENDPOINT")]
    [InlineData("""{ "type": "oci", "kek": "oci-kms:ocid1.key.oc1.eu-frankfurt-1.bjqm.abth", "cryptoEndpoint": "http://kms.example.org" }""", "The KMS setting 'cryptoEndpoint' is not an address", "'http://' is for loopback only")]
    [InlineData("""{ "type": "oci", "kek": "oci-kms:clinic", "cryptoEndpoint": "https://kms.example.org" }""", "The KMS 'oci': .*clinic", ".")]
    [InlineData("""{ "type": "oci", "kek": "oci-kms:ocid1.key.oc1.eu-frankfurt-1.bjqm.abth", "cryptoEndpoint": "https://kms.example.org", "principal": "user" }""", "'principal' is 'user'", "'instance', 'resource'")]
    [InlineData("""{ "type": "oci", "kek": "oci-kms:ocid1.key.oc1.eu-frankfurt-1.bjqm.abth", "cryptoEndpoint": "https://kms.example.org", "principal": "instance", "profile": "x" }""", "'principal', 'profile' exclude each other", "Give one")]
    [InlineData("""{ "type": "oci", "kek": "oci-kms:ocid1.key.oc1.eu-frankfurt-1.bjqm.abth", "cryptoEndpoint": "https://kms.example.org", "timeout": "1d" }""", "The KMS 'oci': .*'Timeout' of .*1.00:00:00", ".")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "timeout": "1d" }""", "The KMS 'vault': .*Timeout' of Vault is 1.00:00:00", ".")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "kubernetesRole": "r", "roleId": "r" }""", "'roleId', 'kubernetesRole' exclude each other", "Give one")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "kubernetesTokenFile": "x.json" }""", "needs 'kubernetesRole'", "EFENVELOPE_KMS_KUBERNETES_ROLE")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "authMount": "k8s" }""", "needs 'roleId' or 'kubernetesRole'", "leave 'authMount' out")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "caFile": "none.pem" }""", "none.pem' could not be read", "Correct the path")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "caFile": "x.json" }""", "x.json' holds no certificate", "PEM")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic" }""", "The KMS 'vault' needs 'address'", "EFENVELOPE_KMS_ADDRESS.*VAULT_ADDR")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:clinic", "address": "https://v" }""", "missing or incomplete", "vault-transit:transit/clinic")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "http://vault.example.org" }""", "The KMS setting 'address' is not an address", "'http://' is for loopback only")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "roleId": "r" }""", "needs 'secretId', a secret", "EFENVELOPE_KMS_SECRET_ID")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "tokenFile": "none" }""", "none' could not be read", "Correct the path")]
    [InlineData("""{ "type": "vault", "kek": "vault-transit:transit/clinic", "address": "https://v", "tokenFile": "x.json", "roleId": "r" }""", "'tokenFile', 'roleId' exclude each other", "Give one")]
    [InlineData("""{ "type": "vault", "secretId": "hunter2" }""", "holds the KMS setting 'secretId', a secret", "EFENVELOPE_KMS_SECRET_ID")]
    [InlineData("""{ "type": "pkcs11", "kek": "pkcs11:kek" }""", "missing or incomplete", "pkcs11:token=clinic;object=kek")]
    [InlineData("""{ "type": "pkcs11", "kek": "pkcs11:token=t;object=k" }""", "The KMS 'pkcs11' needs 'module'", "EFENVELOPE_KMS_MODULE")]
    [InlineData("""{ "type": "pkcs11", "kek": "pkcs11:token=t;object=k", "module": "none.so" }""", "none.so' could not be read", "Correct the path")]
    [InlineData("""{ "type": "pkcs11", "kek": "pkcs11:token=t;object=k", "module": "x.json" }""", "needs 'pin', a secret", "EFENVELOPE_KMS_PIN")]
    [InlineData("""{ "type": "pkcs11", "kek": "pkcs11:token=t;object=k", "module": "x.json", "pinEnvironment": "CLINIC_PIN" }""", "'pin' in 'CLINIC_PIN' is empty", "Put the secret there")]
    [InlineData("""{ "type": "pkcs11", "kek": "pkcs11:token=t;object=k", "module": "x.json", "pinFile": "x.json", "moduleParameters": " " }""", "'ModuleParameters' of the PKCS#11 module are empty", "leave them out")]
    [InlineData("""{ "type": "pkcs11", "pin": "hunter2" }""", "holds the KMS setting 'pin', a secret", "EFENVELOPE_KMS_PIN")]
    [InlineData("""{ "type": "recovery" }""", "The KMS 'recovery' needs 'publicKeyFile'", "EFENVELOPE_KMS_PUBLIC_KEY_FILE")]
    [InlineData("""{ "type": "recovery", "publicKeyFile": "x.json" }""", "The KMS 'recovery': ", ".")]
    [InlineData("""{ "type": "local", "provider": "oracle" }""", "'oracle' is not a server", "'postgresql' or 'sqlserver'")]
    [InlineData("""{ "type": "local", "provider": "postgresql" }""", "The KMS 'local' needs 'connection', a secret", "EFENVELOPE_KMS_CONNECTION")]
    [InlineData("""{ "type": "local", "provider": "postgresql", "connection": "Host=db;Password=hunter2" }""", "holds the KMS setting 'connection', a secret", "'connectionEnvironment'")]
    [InlineData("""{ "type": "local", "provider": "postgresql", "connection": "Host=db;Bogus=hunter2", "keyFile": "x.json" }""", "not one for 'postgresql'", "Correct it")]
    [InlineData("""{ "type": "local", "file": "x.json", "keyFile": "x.json", "credentialFile": "base64.json" }""", "credential of the embedded KMS is not one", "kms principals create")]
    [InlineData("""{ "type": "local", "file": "x.json", "keyFile": "x.json", "credentialFile": "x.json" }""", "credential of the embedded KMS is not one", "kms principals create")]
    public async Task A_wrong_setting_fails_clearly_and_quotes_no_secret(string kms, string error, string hint)
    {
        File.WriteAllText(Path.Combine(_directory, "x.json"), "hunter2");
        File.WriteAllText(Path.Combine(_directory, "base64.json"), $"efk_hunter2.{new string('%', 43)}");
        File.WriteAllText(Path.Combine(_directory, "efenvelope.json"), $$"""{ "kms": {{kms}} }""");
        _environment["EFENVELOPE_CONFIG"] = "efenvelope.json";

        var result = (await RunAsync("keys", "create", "clinic")).Fails(2, error, hint);

        Assert.DoesNotContain("hunter2", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("(Parameter ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_recovery_key_stands_beside_another_kms_and_keeps_its_private_half_away()
    {
        using var rsa = RSA.Create(3072);
        File.WriteAllText(Path.Combine(_directory, "public.pem"), rsa.ExportSubjectPublicKeyInfoPem());
        File.WriteAllText(Path.Combine(_directory, "private.pem"), rsa.ExportPkcs8PrivateKeyPem());
        var fingerprint = Convert.ToHexStringLower(SHA256.HashData(rsa.ExportSubjectPublicKeyInfo()).AsSpan(0, 16));

        _environment["EFENVELOPE_CONFIG"] = "efenvelope.json";
        Write("public.pem");
        Assert.Equal(
            ["wrapped under\taws-kms:alias/clinic", $"wrapped under\trecovery:{fingerprint}"],
            (await RunAsync("keys", "create", "clinic")).Exits(0).Lines.Where(l => l.StartsWith("wrapped under", StringComparison.Ordinal)));

        Write("private.pem");
        (await RunAsync("keys", "create", "clinic")).Fails(2, "holds the private half of the recovery key", "keep the private one offline");

        void Write(string file) => File.WriteAllText(
            Path.Combine(_directory, "efenvelope.json"), $$"""{ "kms": [{ "kek": "aws-kms:alias/clinic" }, { "type": "recovery", "publicKeyFile": "{{file}}" }] }""");
    }

    [Fact]
    public async Task A_cloud_that_is_not_there_is_unavailable_and_the_plan_stood_before_it()
    {
        _environment["EFENVELOPE_KMS_ADDRESS"] = "http://127.0.0.1:9";
        _environment["EFENVELOPE_KMS_TOKEN"] = "s.hunter2";

        var result = (await RunAsync("keys", "create", "clinic", "--kek", "vault-transit:transit/clinic", "--execute")).Exits(4);

        Assert.Contains("wrapped under\tvault-transit:transit/clinic", result.Lines);
        Assert.DoesNotContain("hunter2", result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Resource_principal_of_OCI_is_asked_for_its_token()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("OCI_RESOURCE_PRINCIPAL_VERSION") is null, "This process has a resource "
            + "principal.");
        _environment["EFENVELOPE_KMS_CRYPTO_ENDPOINT"] = "https://127.0.0.1:9";
        _environment["EFENVELOPE_KMS_PRINCIPAL"] = "resource";

        var result = await RunAsync("keys", "create", "clinic", "--kek", Oci, "--execute");

        Assert.Contains("OCI_RESOURCE_PRINCIPAL_VERSION", result.Error, StringComparison.Ordinal);
    }

    private Task<ToolResult> RunAsync(params string[] args)
    {
        File.WriteAllText(Path.Combine(_directory, "clinic.db"), "");
        return Tool.RunAsync(_environment, _directory, CancellationToken.None, [.. args, "--provider", "sqlite", "--connection", "Data Source=clinic.db"]);
    }
}
