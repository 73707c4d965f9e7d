using EfEnvelope;
using EfEnvelope.Kms.GoogleCloud;
using Google.Apis.Auth.OAuth2;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Adds Google Cloud KMS to envelope encryption.</summary>
public static class GoogleCloudKmsEnvelopeOptionsBuilderExtensions
{
    /// <summary>Wraps data keys by a key of Google Cloud KMS, with the application default credentials.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>: its KEK URI is <c>gcp-kms:projects/…</c>.</param>
    /// <param name="options">How the service is reached; the default reaches its public address.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The name or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UseGoogleCloudKms(this EnvelopeOptionsBuilder builder, string cryptoKey, GoogleCloudKmsOptions? options = null)
        => builder.Use(cryptoKey, null, options ?? new());

    /// <summary>Wraps data keys by a key of Google Cloud KMS, with the given credentials.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>.</param>
    /// <param name="credential">
    /// Such as a <see cref="GoogleCredential" />, which is scoped to Cloud KMS if it has no scope. Keep the instance: it is part of the identity.
    /// </param>
    /// <param name="options">How the service is reached; the default reaches its public address.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The name or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UseGoogleCloudKms(
        this EnvelopeOptionsBuilder builder, string cryptoKey, ITokenAccess credential, GoogleCloudKmsOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(credential);
        return builder.Use(cryptoKey, credential, options ?? new());
    }

    /// <summary>Wraps data keys by a key of Google Cloud KMS, with access tokens from a delegate.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>.</param>
    /// <param name="accessToken">
    /// Returns a token of the scope <c>https://www.googleapis.com/auth/cloudkms</c>. It is asked before each request, so it should keep its token until that
    /// expires. Keep the instance: it is part of the identity.
    /// </param>
    /// <param name="options">How the service is reached; the default reaches its public address.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The name or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UseGoogleCloudKms(
        this EnvelopeOptionsBuilder builder, string cryptoKey, Func<CancellationToken, ValueTask<string>> accessToken, GoogleCloudKmsOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(accessToken);
        return builder.Use(cryptoKey, accessToken, options ?? new());
    }

    /// <summary>Wraps data keys by a key of Google Cloud KMS, over a transport of the caller's own.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>.</param>
    /// <param name="transport">The transport. Keep the instance: it is part of the identity.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The name is malformed.</exception>
    public static EnvelopeOptionsBuilder UseGoogleCloudKms(this EnvelopeOptionsBuilder builder, string cryptoKey, IGoogleKmsTransport transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        return builder.Use(cryptoKey, transport, null);
    }

    private static EnvelopeOptionsBuilder Use(this EnvelopeOptionsBuilder builder, string cryptoKey, object? source, GoogleCloudKmsOptions? options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var identity = new GoogleKmsIdentity(CryptoKeyName.Validate(cryptoKey), source, options?.Validated());
        return builder.UseKms(identity, identity.CreateWrapper);
    }
}
