using EfEnvelope.Kms.Tests.Conformance;

namespace EfEnvelope.Kms.Tests.Aws;

public sealed class AwsKmsConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await AwsKmsHarness.StartAsync();
}
