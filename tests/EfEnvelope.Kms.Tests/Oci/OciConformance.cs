using EfEnvelope.Kms.Tests.Conformance;

namespace EfEnvelope.Kms.Tests.Oci;

public sealed class OciConformance : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await OciHarness.StartAsync();
}
