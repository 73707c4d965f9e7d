using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>What tells one configured KEK on a token from another. Prints no secret, because no PIN source does.</summary>
internal sealed record Pkcs11Identity(string KeyLabel, Pkcs11Options Options)
{
    public IKeyWrapper CreateWrapper(KmsServices services)
        => new Pkcs11KeyWrapper(KeyLabel, Options, services.TimeProvider, services.LoggerFactory.CreateLogger("EfEnvelope.Kms.Pkcs11"));
}
