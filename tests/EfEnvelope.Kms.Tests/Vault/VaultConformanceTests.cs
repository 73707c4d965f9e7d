using EfEnvelope.Kms.Tests.Conformance;

namespace EfEnvelope.Kms.Tests.Vault;

public sealed class VaultConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await VaultHarness.StartAsync();
}

public sealed class VaultNamespaceConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await VaultHarness.StartAsync(server => server.Namespace = "clinic/eu");
}

public sealed class RealVaultConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync()
    {
        var (address, token) = (Environment.GetEnvironmentVariable("EFENVELOPE_VAULT_ADDR"), Environment.GetEnvironmentVariable("EFENVELOPE_VAULT_TOKEN"));
        Assert.SkipWhen(
            string.IsNullOrEmpty(address) || string.IsNullOrEmpty(token),
            "No Vault or OpenBao is named by EFENVELOPE_VAULT_ADDR and EFENVELOPE_VAULT_TOKEN; Debian has no package of either.");
        return await RealVaultHarness.StartAsync(address, token);
    }
}
