using EfEnvelope.Kms.GoogleCloud.Http;
using Google.Apis.Auth.OAuth2;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.GoogleCloud;

/// <summary>Google Cloud KMS behind the seam, for who needs it without EF Core: tests, tools, key administration.</summary>
public static class GoogleCloudKms
{
    /// <summary>Makes a client of a key over HTTP.</summary>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>.</param>
    /// <param name="credential">The credentials; <see langword="null" />, the default, for the application default credentials.</param>
    /// <param name="options">How the service is reached; the default reaches its public address.</param>
    /// <param name="services">Clock and logs; the system's clock and no logs by default.</param>
    /// <returns>The client.</returns>
    /// <exception cref="ArgumentException">The name or an option is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(
        string cryptoKey, ITokenAccess? credential = null, GoogleCloudKmsOptions? options = null, KmsServices? services = null)
        => new GoogleKmsIdentity(CryptoKeyName.Validate(cryptoKey), credential, (options ?? new()).Validated()).CreateWrapper(services ?? DefaultServices);

    /// <summary>Makes a client of a key over a transport of the caller's own.</summary>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>.</param>
    /// <param name="transport">The transport.</param>
    /// <returns>The client.</returns>
    /// <exception cref="ArgumentException">The name is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(string cryptoKey, IGoogleKmsTransport transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        return new GoogleKmsIdentity(CryptoKeyName.Validate(cryptoKey), transport, null).CreateWrapper(DefaultServices);
    }

    /// <summary>Says in the one set of kinds what a status of Google means. For transports: see <see cref="IGoogleKmsTransport" />.</summary>
    /// <param name="cryptoKey">The key that was asked for.</param>
    /// <param name="operation">What was asked.</param>
    /// <param name="status">The status by its name, <c>PERMISSION_DENIED</c> or, as gRPC for .NET writes it, <c>PermissionDenied</c>.</param>
    /// <param name="message">Google's text; it is read for the state of a key version, and not repeated.</param>
    /// <param name="innerException">The client's own exception.</param>
    /// <returns>The exception to throw.</returns>
    public static KmsException CreateException(
        string cryptoKey, GoogleKmsOperation operation, string status, string? message, Exception? innerException = null)
    {
        ArgumentNullException.ThrowIfNull(status);
        return GoogleErrors.Create(cryptoKey, operation, new GoogleStatus(status, message, null), null, innerException);
    }

    internal static KmsServices DefaultServices { get; } = new(TimeProvider.System, NullLoggerFactory.Instance);
}
