using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using EfEnvelope.Kms.Oci.Http;

namespace EfEnvelope.Kms.Oci.Signing;

/// <summary>
/// Signs as the resource that this process runs in, such as a function: with the token and the key that the platform gives in variables,
/// or in files that it renews. They are read again when a signature was refused.
/// </summary>
internal sealed class OciResourcePrincipalSigner(TimeProvider time, Func<string, string?> variableOf) : IOciRequestSigner
{
    private const string Prefix = "OCI_RESOURCE_PRINCIPAL_";

    private volatile OciSigningKey? _key;

    public ValueTask SignAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        => (_key ??= Read()).SignAsync(request, time.GetUtcNow(), cancellationToken);

    public ValueTask RenewAsync(CancellationToken cancellationToken)
    {
        _key = Read();
        return ValueTask.CompletedTask;
    }

    private OciSigningKey Read()
    {
        if (Find("VERSION") is not "2.2")
            throw Refused(OciMessages.NoResourcePrincipal($"{Prefix}VERSION", Find("VERSION")));
        var passPhrase = Find("PRIVATE_PEM_PASSPHRASE") is null ? null : Content("PRIVATE_PEM_PASSPHRASE").Trim();
        return OciSigningKey.TryRead(Content("PRIVATE_PEM"), passPhrase) is { } key
            ? new OciSigningKey($"ST${Content("RPST").Trim()}", key)
            : throw Refused(OciMessages.MalformedPrivateKey($"'{Prefix}PRIVATE_PEM'"));
    }

    private string? Find(string name) => variableOf(Prefix + name) is { Length: > 0 } value ? value : null;

    // A path, or the content itself: so Oracle's own SDKs tell them apart.
    private string Content(string name)
    {
        var value = Find(name) ?? throw Refused(OciMessages.NoResourcePrincipal(Prefix + name, null));
        try
        {
            return Path.IsPathRooted(value) ? File.ReadAllText(value) : value;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(OciMessages.NoPrincipalFile(Prefix + name, value), e);
        }
    }

    private static KmsException Refused(string message, Exception? cause = null) => new(KmsErrorKind.Unauthenticated, message, cause);
}

/// <summary>
/// Signs as the compute instance that this process runs on: a key of its own, and a token for it that OCI's authentication service gives
/// for the certificate of the instance. One caller obtains a token for all; it is renewed in the background after two thirds of its time.
/// </summary>
internal sealed partial class OciInstancePrincipalSigner(TimeProvider time, Uri? metadata = null, Uri? authentication = null)
    : IOciRequestSigner
{
    private static readonly Uri Link = new("http://169.254.169.254/opc/v2/");
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    // What the metadata service says is a secret of this machine: no proxy has a part in it.
    private readonly KmsHttpClient _machine = new(Handler(useProxy: false), true, time);
    private readonly KmsHttpClient _service = new(Handler(useProxy: true), true, time);
    private readonly Lock _lock = new();
    private Held? _held;
    private Task<Held>? _running;

    public async ValueTask SignAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var held = await GetAsync(cancellationToken).ConfigureAwait(false);
        await held.Key.SignAsync(request, time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask RenewAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
            _held = null;
        await GetAsync(cancellationToken).ConfigureAwait(false);
    }

    private ValueTask<Held> GetAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            if (_held is { } good && now < good.RenewAt)
                return new(good);

            // A first token may take longer than an attempt at the vault has: the request for it goes on when its attempt is given up.
            if (_running is null)
            {
                _running = ObtainAsync();
                _ = _running.ContinueWith(t => _ = t.Exception, TaskContinuationOptions.OnlyOnFaulted);
            }

            return _held is { } held && now < held.EndsAt ? new(held) : new(_running.WaitAsync(cancellationToken));
        }
    }

    private async Task<Held> ObtainAsync()
    {
        await Task.Yield();
        try
        {
            using var limit = new CancellationTokenSource(Limit);
            var held = await FederateAsync(limit.Token).ConfigureAwait(false);
            lock (_lock)
                (_held, _running) = (held, null);
            return held;
        }
        catch (Exception e)
        {
            lock (_lock)
            {
                _running = null;
                if (_held is { } last)
                    _held = last with { RenewAt = time.GetUtcNow() + Pause };
            }

            if (e is HttpRequestException or IOException or OperationCanceledException)
                throw new KmsException(KmsErrorKind.Unavailable, OciMessages.PrincipalUnavailable(), e);
            throw;
        }
    }

    private async Task<Held> FederateAsync(CancellationToken cancellationToken)
    {
        using var leaf = Certificates(await AskAsync("identity/cert.pem", cancellationToken).ConfigureAwait(false))[0];
        var pem = await AskAsync("identity/key.pem", cancellationToken).ConfigureAwait(false);
        using var leafKey = OciSigningKey.TryRead(pem, null) ?? throw NotUnderstood("identity/key.pem");
        var others = Certificates(await AskAsync("identity/intermediate.pem", cancellationToken).ConfigureAwait(false));
        var tenancy = Tenancy().Match(leaf.Subject) is { Success: true } match
            ? match.Groups[1].Value
            : throw NotUnderstood("identity/cert.pem");
        var endpoint = authentication ?? await EndpointAsync(cancellationToken).ConfigureAwait(false);
        var session = RSA.Create(2048);
        var details = new FederationDetails(
            Convert.ToBase64String(leaf.RawData),
            Convert.ToBase64String(session.ExportSubjectPublicKeyInfo()),
            [.. others.Select(c => Convert.ToBase64String(c.RawData))]);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, "/v1/x509"));
        request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(details, OciJson.Default.FederationDetails))
        {
            Headers = { ContentType = new("application/json") },
        };
        var fingerprint = string.Join(':', leaf.GetCertHash(HashAlgorithmName.SHA256).Select(b => b.ToString("x2", null)));
        var key = new OciSigningKey($"{tenancy}/fed-x509-sha256/{fingerprint}", leafKey);
        await key.SignAsync(request, time.GetUtcNow(), cancellationToken, dateHeader: "date").ConfigureAwait(false);
        var answer = await _service.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (!answer.IsSuccess)
            throw new KmsException(KindOf(answer.Status), OciMessages.PrincipalRefused(answer.Status));
        var token = Read(answer.Body, OciJson.Default.FederationToken)?.Token;
        if (string.IsNullOrEmpty(token) || token.Any(char.IsControl))
            throw NotUnderstood("/v1/x509");
        var (now, ends) = (time.GetUtcNow(), EndOf(token));
        return new Held(new OciSigningKey($"ST${token}", session), now + ((ends - now) * 2 / 3), ends);
    }

    private async Task<Uri> EndpointAsync(CancellationToken cancellationToken)
    {
        var json = await AskAsync("instance/regionInfo", cancellationToken).ConfigureAwait(false);
        var region = Read(Encoding.UTF8.GetBytes(json), OciJson.Default.RegionInfo);
        return region is { RegionIdentifier: { } name, RealmDomainComponent: { } domain } && Name().IsMatch(name) && Name().IsMatch(domain)
            ? new Uri($"https://auth.{name}.{domain}")
            : throw NotUnderstood("instance/regionInfo");
    }

    private async Task<string> AskAsync(string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(metadata ?? Link, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "Oracle");
        var answer = await _machine.SendAsync(request, cancellationToken).ConfigureAwait(false);
        return answer.IsSuccess
            ? Encoding.UTF8.GetString(answer.Body)
            : throw new KmsException(KindOf(answer.Status), OciMessages.NoMetadata(path, answer.Status));
    }

    private static SocketsHttpHandler Handler(bool useProxy)
        => new() { AllowAutoRedirect = false, UseCookies = false, UseProxy = useProxy, PooledConnectionLifetime = Limit };

    private static KmsErrorKind KindOf(int status)
        => status is 429 or >= 500 || KmsHttpResponse.IsOnTheWay(status) ? KmsErrorKind.Unavailable : KmsErrorKind.Unauthenticated;

    private static X509Certificate2Collection Certificates(string pem)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(pem);
        }
        catch (CryptographicException)
        {
        }

        return certificates.Count > 0 ? certificates : throw NotUnderstood("identity/cert.pem");
    }

    private static T? Read<T>(byte[] json, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(json, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // A token that does not say when it ends is used until it is refused.
    private static DateTimeOffset EndOf(string token)
    {
        try
        {
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]));
            return DateTimeOffset.FromUnixTimeSeconds(claims.RootElement.GetProperty("exp").GetInt64());
        }
        catch (Exception e) when (e is JsonException or FormatException or IndexOutOfRangeException or KeyNotFoundException
            or InvalidOperationException or ArgumentException)
        {
            return DateTimeOffset.MaxValue;
        }
    }

    private static KmsException NotUnderstood(string what) => new(KmsErrorKind.Unauthenticated, OciMessages.PrincipalNotUnderstood(what));

    [GeneratedRegex(@"\bopc-(?:tenant|identity):([A-Za-z0-9._-]+)")]
    private static partial Regex Tenancy();

    [GeneratedRegex(@"\A[a-z0-9-]+(\.[a-z0-9-]+)*\z")]
    private static partial Regex Name();

    private sealed record Held(OciSigningKey Key, DateTimeOffset RenewAt, DateTimeOffset EndsAt);
}
