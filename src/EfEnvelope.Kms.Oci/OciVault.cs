using EfEnvelope.Kms.Oci.Http;
using EfEnvelope.Kms.Oci.Signing;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Oci;

/// <summary>OCI Vault behind the seam, for who needs it without EF Core, and what signs its requests.</summary>
public static class OciVault
{
    internal static KmsServices DefaultServices { get; } = new(TimeProvider.System, NullLoggerFactory.Instance);

    /// <summary>Makes a client of a key over HTTP.</summary>
    /// <param name="keyId">The key's OCID.</param>
    /// <param name="cryptoEndpoint">The vault's cryptographic endpoint, such as <c>https://…-crypto.kms.eu-frankfurt-1.oraclecloud.com</c>.</param>
    /// <param name="signer">What signs the requests; <see langword="null" />, the default, for the credentials of the configuration file.</param>
    /// <param name="options">How the service is reached, and where the configuration file is.</param>
    /// <param name="services">Clock and logs; the system's clock and no logs by default.</param>
    /// <returns>The client.</returns>
    /// <exception cref="ArgumentException">The OCID, the endpoint or an option is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(
        string keyId, string cryptoEndpoint, IOciRequestSigner? signer = null, OciVaultOptions? options = null, KmsServices? services = null)
        => OciVaultIdentity.Create(keyId, cryptoEndpoint, signer, options).CreateWrapper(services ?? DefaultServices);

    /// <summary>Makes a client of a key over a transport of the caller's own.</summary>
    /// <param name="keyId">The key's OCID.</param>
    /// <param name="transport">The transport.</param>
    /// <returns>The client.</returns>
    /// <exception cref="ArgumentException">The OCID is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(string keyId, IOciKmsTransport transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        return new OciKeyWrapper(OciKeyId.Validate(keyId), transport);
    }

    /// <summary>Makes a signer of an API key.</summary>
    /// <param name="tenancyId">The tenancy's OCID.</param>
    /// <param name="userId">The user's OCID.</param>
    /// <param name="fingerprint">The fingerprint of the public key, such as <c>20:3b:97:…</c>.</param>
    /// <param name="privateKeyPem">The private key, PKCS#8 or PKCS#1 in PEM, as text.</param>
    /// <param name="passPhrase">The pass phrase of the private key; <see langword="null" />, the default, when it has none.</param>
    /// <param name="timeProvider">The clock; the system's by default.</param>
    /// <returns>The signer.</returns>
    /// <exception cref="ArgumentException">A part is empty, or the private key cannot be read.</exception>
    public static IOciRequestSigner CreateApiKeySigner(
        string tenancyId, string userId, string fingerprint, string privateKeyPem, string? passPhrase = null, TimeProvider? timeProvider = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(tenancyId);
        ArgumentException.ThrowIfNullOrWhiteSpace(userId);
        ArgumentException.ThrowIfNullOrWhiteSpace(fingerprint);
        if (OciSigningKey.TryRead(privateKeyPem, passPhrase) is not { } key)
            throw new ArgumentException(OciMessages.MalformedPrivateKey("the given text"), nameof(privateKeyPem));
        return new OciKeySigner(new OciSigningKey($"{tenancyId}/{userId}/{fingerprint}", key), timeProvider ?? TimeProvider.System);
    }

    /// <summary>Makes a signer of a profile in a configuration file: an API key, or the token of a session. The file is read when the first request is signed.</summary>
    /// <param name="file">The file; <see langword="null" />, the default, for what <c>OCI_CONFIG_FILE</c> names, else <c>~/.oci/config</c>.</param>
    /// <param name="profile">The profile, <c>DEFAULT</c> by default.</param>
    /// <param name="timeProvider">The clock; the system's by default.</param>
    /// <returns>The signer.</returns>
    public static IOciRequestSigner CreateConfigFileSigner(string? file = null, string profile = "DEFAULT", TimeProvider? timeProvider = null)
        => new OciConfigFileSigner(file, profile, timeProvider ?? TimeProvider.System);

    /// <summary>
    /// Makes a signer of the compute instance that this process runs on (instance principal). It needs a dynamic group with the instance,
    /// and a policy for that group. The token is obtained when the first request is signed.
    /// </summary>
    /// <param name="timeProvider">The clock; the system's by default.</param>
    /// <returns>The signer. Keep the instance: it holds the token.</returns>
    public static IOciRequestSigner CreateInstancePrincipalSigner(TimeProvider? timeProvider = null)
        => new OciInstancePrincipalSigner(timeProvider ?? TimeProvider.System);

    /// <summary>
    /// Makes a signer of the resource that this process runs in (resource principal, version 2.2), such as a function. OCI gives the
    /// token in the variables <c>OCI_RESOURCE_PRINCIPAL_…</c>, which are read when the first request is signed.
    /// </summary>
    /// <param name="timeProvider">The clock; the system's by default.</param>
    /// <returns>The signer.</returns>
    public static IOciRequestSigner CreateResourcePrincipalSigner(TimeProvider? timeProvider = null)
        => new OciResourcePrincipalSigner(timeProvider ?? TimeProvider.System, Environment.GetEnvironmentVariable);

    /// <summary>Says in the one set of kinds what an error of OCI means. For transports: see <see cref="IOciKmsTransport" />.</summary>
    /// <param name="keyId">The key that was asked for.</param>
    /// <param name="operation">What was asked.</param>
    /// <param name="status">The HTTP status, such as 404.</param>
    /// <param name="code">The service's code, such as <c>NotAuthorizedOrNotFound</c>.</param>
    /// <param name="message">The service's text; it is read for the state of a key, and not repeated.</param>
    /// <param name="requestId">The service's <c>opc-request-id</c>, which the message quotes.</param>
    /// <param name="innerException">The client's own exception.</param>
    /// <returns>The exception to throw.</returns>
    public static KmsException CreateException(
        string keyId, OciKmsOperation operation, int status, string? code, string? message, string? requestId = null, Exception? innerException = null)
        => OciErrors.Create(keyId, operation, new OciError(status, code, message, requestId), null, innerException);
}
