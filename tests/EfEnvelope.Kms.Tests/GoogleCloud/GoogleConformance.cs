using EfEnvelope.Kms.Tests.Conformance;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

public sealed class GoogleConformance : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await GoogleHarness.StartAsync();
}
