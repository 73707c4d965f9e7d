using EfEnvelope.Kms.Tests.Conformance;

namespace EfEnvelope.Kms.Tests.Azure;

public sealed class KeyVaultConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await KeyVaultHarness.StartAsync();
}

public sealed class ManagedHsmConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await KeyVaultHarness.StartAsync(hsm: true);
}
