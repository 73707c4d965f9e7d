using System.Text;
using EfEnvelope.Kms.Oci.Http;
using EfEnvelope.Kms.Oci.Signing;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Oci;

/// <summary>What tells one configured key from another: signers by reference, and never printed.</summary>
internal sealed record OciVaultIdentity(KekUri Kek, Uri CryptoEndpoint, IOciRequestSigner? Signer, OciVaultOptions Options)
{
    public static OciVaultIdentity Create(string keyId, string cryptoEndpoint, IOciRequestSigner? signer, OciVaultOptions? options)
        => new(OciKeyId.Validate(keyId), OciVaultOptions.Endpoint(cryptoEndpoint), signer, (options ?? new()).Validated());

    public IKeyWrapper CreateWrapper(KmsServices services)
    {
        var signer = Signer ?? new OciConfigFileSigner(Options.ConfigFile, Options.Profile, services.TimeProvider);
        var logger = services.LoggerFactory.CreateLogger("EfEnvelope.Kms.Oci");
        return new OciKeyWrapper(Kek, new OciHttpTransport(CryptoEndpoint, signer, Options, services.TimeProvider, logger));
    }

    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append("Kek = ").Append(Kek).Append(", CryptoEndpoint = ").Append(CryptoEndpoint);
        return true;
    }
}

/// <summary>What tells one configured transport from another: by reference, and never printed.</summary>
internal sealed record OciTransportIdentity(KekUri Kek, IOciKmsTransport Transport)
{
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append("Kek = ").Append(Kek);
        return true;
    }
}
