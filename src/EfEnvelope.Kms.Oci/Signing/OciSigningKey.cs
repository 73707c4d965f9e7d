using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace EfEnvelope.Kms.Oci.Signing;

/// <summary>A private key with the name under which OCI knows its public half. It writes OCI's signatures, version 1.</summary>
/// <param name="keyId"><c>{tenancy}/{user}/{fingerprint}</c>, or <c>ST$</c> and the token of a session.</param>
/// <param name="key">The private key.</param>
internal sealed class OciSigningKey(string keyId, RSA key)
{
    private readonly Lock _lock = new();

    /// <summary>Reads a private key; nothing when the text is not one, or the pass phrase does not open it.</summary>
    public static RSA? TryRead(string? pem, string? passPhrase)
    {
        var key = RSA.Create();
        try
        {
            if (pem is not null && pem.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal))
                key.ImportFromEncryptedPem(pem, passPhrase ?? "");
            else
                key.ImportFromPem(pem);
            return key;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            key.Dispose();
            return null;
        }
    }

    // The lines 'name: value' of the signed headers, in the order that the header names, joined by '\n'. The order and the writing of the names are those of
    // Oracle's own SDK for Node.js, so that its signature of the same request is the same, byte for byte.
    public async ValueTask SignAsync(
        HttpRequestMessage request, DateTimeOffset now, CancellationToken cancellationToken, string dateHeader = "x-date")
    {
        var address = request.RequestUri!;
        var date = now.ToString("R", CultureInfo.InvariantCulture);
        var text = new StringBuilder();
        text.Append(dateHeader).Append(": ").Append(date)
            .Append("\n(request-target): ").Append(request.Method.Method.ToLowerInvariant()).Append(' ').Append(address.PathAndQuery)
            .Append("\nhost: ").Append(address.Authority);
        var names = $"{dateHeader} (request-target) host";
        request.Headers.Remove(dateHeader);
        request.Headers.TryAddWithoutValidation(dateHeader, date);
        request.Headers.Host = address.Authority;
        if (request.Content is { } content)
        {
            var digest = await DigestAsync(content, cancellationToken).ConfigureAwait(false);
            text.Append("\ncontent-type: ").Append(content.Headers.ContentType)
                .Append("\ncontent-length: ").Append(content.Headers.ContentLength)
                .Append("\nx-content-sha256: ").Append(digest);
            names += " Content-Type Content-Length x-content-sha256";
            request.Headers.Remove("x-content-sha256");
            request.Headers.TryAddWithoutValidation("x-content-sha256", digest);
        }

        request.Headers.Authorization = new AuthenticationHeaderValue(
            "Signature", $"version=\"1\",keyId=\"{keyId}\",algorithm=\"rsa-sha256\",headers=\"{names}\",signature=\"{Sign(text.ToString())}\"");
    }

    private static async ValueTask<string> DigestAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var body = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        body.Position = 0;
        return Convert.ToBase64String(await SHA256.HashDataAsync(body, cancellationToken).ConfigureAwait(false));
    }

    // An RSA instance serves one caller at a time.
    private string Sign(string text)
    {
        lock (_lock)
            return Convert.ToBase64String(key.SignData(Encoding.UTF8.GetBytes(text), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
    }
}
