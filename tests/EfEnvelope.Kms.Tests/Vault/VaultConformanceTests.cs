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
