using EfEnvelope.Kms.Pkcs11;
using EfEnvelope.Kms.Tests.Conformance;
using Net.Pkcs11Interop.Common;

namespace EfEnvelope.Kms.Tests.Pkcs11;

[Collection("PKCS#11")]
public sealed class Pkcs11ConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await Pkcs11Harness.StartAsync(SoftHsm.NewToken());
}

/// <summary>
/// The same on a token of opencryptoki, or of any other module, that is ready for it: <c>EFENVELOPE_PKCS11_MODULE</c>, <c>_TOKEN</c> and <c>_PIN</c> name it. The keys
/// 'first' and 'other' on it are removed.
/// </summary>
[Collection("PKCS#11")]
public sealed class OtherModulePkcs11ConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync()
    {
        var module = Environment.GetEnvironmentVariable("EFENVELOPE_PKCS11_MODULE");
        Assert.SkipWhen(
            module is null,
            "No second PKCS#11 module is named by EFENVELOPE_PKCS11_MODULE, _TOKEN and _PIN; opencryptoki needs its daemon, and a token that root made.");
        var options = new Pkcs11Options
        {
            ModulePath = module,
            TokenLabel = Environment.GetEnvironmentVariable("EFENVELOPE_PKCS11_TOKEN") ?? "",
            Pin = Pkcs11Pin.Of(Environment.GetEnvironmentVariable("EFENVELOPE_PKCS11_PIN") ?? ""),
        };
        Assert.SkipUnless(SoftHsm.Slot(options).GetMechanismList().Contains(CKM.CKM_AES_GCM), $"The token '{options.TokenLabel}' has no CKM_AES_GCM.");
        SoftHsm.Remove(options, "first");
        SoftHsm.Remove(options, "other");
        return await Pkcs11Harness.StartAsync(options);
    }
}

/// <summary>The same on the software token of NSS, whose answers differ from SoftHSM's: it does not say how long a ciphertext with its tag
/// is.</summary>
[Collection("PKCS#11")]
public sealed class NssPkcs11ConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync()
    {
        var options = Nss.Token();
        SoftHsm.Remove(options, "first");
        SoftHsm.Remove(options, "other");
        return await Pkcs11Harness.StartAsync(options);
    }
}

/// <summary>The modules' state belongs to the process, and one test takes it away from all others.</summary>
[CollectionDefinition("PKCS#11", DisableParallelization = true)]
public sealed class Pkcs11CollectionDefinition;
