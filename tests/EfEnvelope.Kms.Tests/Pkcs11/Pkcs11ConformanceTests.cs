using EfEnvelope.Kms.Pkcs11;
using EfEnvelope.Kms.Tests.Conformance;

namespace EfEnvelope.Kms.Tests.Pkcs11;

[Collection("PKCS#11")]
public sealed class Pkcs11ConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await Pkcs11Harness.StartAsync(SoftHsm.NewToken());
}

/// <summary>The modules' state belongs to the process, and one test takes it away from all others.</summary>
[CollectionDefinition("PKCS#11", DisableParallelization = true)]
public sealed class Pkcs11CollectionDefinition;
