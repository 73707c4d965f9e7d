using Azure.Core;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Azure;

/// <summary>What tells one configured vault from another: its key, and its options and credential or the caller's own client.</summary>
internal sealed record AzureKeyVaultIdentity(AzureKeyId Key, AzureKeyVaultOptions Options, TokenCredential? Credential, IKeyVaultCryptoTransport? Transport)
{
    public IKeyWrapper CreateWrapper(KmsServices services)
    {
        var logger = services.LoggerFactory.CreateLogger("EfEnvelope.Kms.Azure");
        var vault = Transport is null ? new KeyVaultClient(Key, Credential!, Options, logger) : null;
        return new AzureKeyWrapper(Key, Options, vault, Transport, services.TimeProvider, logger);
    }

    public override string ToString() => $"AzureKeyVault({Key}, {(Transport is null ? Options : "own client")})";
}
