using EfEnvelope;
using EfEnvelope.Kms.Oci;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Adds OCI Vault to envelope encryption.</summary>
public static class OciVaultEnvelopeOptionsBuilderExtensions
{
    /// <summary>Wraps data keys by a key of OCI Vault, with the credentials of the configuration file.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">The OCID of an AES key: its KEK URI is <c>oci-kms:ocid1.key.…</c>.</param>
    /// <param name="cryptoEndpoint">The vault's cryptographic endpoint, such as <c>https://…-crypto.kms.eu-frankfurt-1.oraclecloud.com</c>.</param>
    /// <param name="options">How the service is reached, and where the configuration file is.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The OCID, the endpoint or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UseOciVault(
        this EnvelopeOptionsBuilder builder, string keyId, string cryptoEndpoint, OciVaultOptions? options = null)
        => builder.Use(OciVaultIdentity.Create(keyId, cryptoEndpoint, null, options));

    /// <summary>Wraps data keys by a key of OCI Vault, with requests signed by the given signer.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">The OCID of an AES key.</param>
    /// <param name="cryptoEndpoint">The vault's cryptographic endpoint.</param>
    /// <param name="signer">
    /// Such as <see cref="OciVault.CreateApiKeySigner" />, or one over a principal of Oracle's SDK. Keep the instance: it is part of the identity.
    /// </param>
    /// <param name="options">How the service is reached.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The OCID, the endpoint or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UseOciVault(
        this EnvelopeOptionsBuilder builder, string keyId, string cryptoEndpoint, IOciRequestSigner signer, OciVaultOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(signer);
        return builder.Use(OciVaultIdentity.Create(keyId, cryptoEndpoint, signer, options));
    }

    /// <summary>Wraps data keys by a key of OCI Vault, over a transport of the caller's own.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">The OCID of an AES key.</param>
    /// <param name="transport">The transport. Keep the instance: it is part of the identity.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The OCID is malformed.</exception>
    public static EnvelopeOptionsBuilder UseOciVault(this EnvelopeOptionsBuilder builder, string keyId, IOciKmsTransport transport)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(transport);
        return builder.UseKms(new OciTransportIdentity(OciKeyId.Validate(keyId), transport), _ => OciVault.CreateKeyWrapper(keyId, transport));
    }

    private static EnvelopeOptionsBuilder Use(this EnvelopeOptionsBuilder builder, OciVaultIdentity identity)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseKms(identity, identity.CreateWrapper);
    }
}
