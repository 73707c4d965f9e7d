using EfEnvelope.Kms.GoogleCloud;
using EfEnvelope.Kms.Oci;
using Google.Apis.Auth.OAuth2;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

/// <summary>Runs alone: the environment belongs to the process.</summary>
[CollectionDefinition(nameof(GoogleUniverseTests), DisableParallelization = true)]
public sealed class GoogleUniverse;

/// <summary>Credentials of another universe than the public one are good there alone.</summary>
[Collection(nameof(GoogleUniverseTests))]
public sealed class GoogleUniverseTests : IDisposable
{
    private const string Variable = "GOOGLE_CLOUD_UNIVERSE_DOMAIN";
    private const string Universe = "apis.clinic.example";

    private readonly Recorder _sent = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Environment.SetEnvironmentVariable(Variable, null);

    [Theory]
    [InlineData(null, null, "cloudkms.googleapis.com")]
    [InlineData(Universe, null, "cloudkms.apis.clinic.example")]
    [InlineData(Universe, Universe, "cloudkms.apis.clinic.example")]
    public async Task Requests_go_to_the_universe_of_the_credentials(string? universe, string? variable, string host)
    {
        Environment.SetEnvironmentVariable(Variable, variable);
        var credential = universe is null
            ? GoogleCredential.FromAccessToken("ya29.token")
            : GoogleServiceAccount.Credential(new Uri("https://127.0.0.1:1"), universe: universe);

        var e = await Assert.ThrowsAsync<KmsException>(() => WrapAsync(credential));

        Assert.Equal((KmsErrorKind.Unavailable, host), (e.Kind, _sent.Host));
    }

    [Theory]
    [InlineData(Universe, "other.example")]
    [InlineData(null, Universe)]
    public async Task Nothing_is_sent_when_the_environment_names_another_universe(string? universe, string variable)
    {
        Environment.SetEnvironmentVariable(Variable, variable);

        var e = await Assert.ThrowsAsync<KmsException>(
            () => WrapAsync(GoogleServiceAccount.Credential(new Uri("https://127.0.0.1:1"), universe: universe)));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        Assert.Contains(Variable, e.Message, StringComparison.Ordinal);
        Assert.Null(_sent.Host);
    }

    [Fact]
    public void Address_with_a_user_is_refused_and_not_repeated()
    {
        const string Address = "https://user:hunter2@kms.clinic.example/";
        var google = Assert.Throws<ArgumentException>(
            () => GoogleCloudKms.CreateKeyWrapper("projects/p/locations/l/keyRings/r/cryptoKeys/k", options: new GoogleCloudKmsOptions { BaseAddress = new Uri(Address) }));
        var oci = Assert.Throws<ArgumentException>(() => OciVault.CreateKeyWrapper("ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.first", Address));

        Assert.All([google, oci], e => Assert.DoesNotContain("hunter2", e.Message, StringComparison.Ordinal));
    }

    private Task WrapAsync(GoogleCredential credential)
        => GoogleCloudKms.CreateKeyWrapper(
            "projects/p/locations/l/keyRings/r/cryptoKeys/k", credential, new GoogleCloudKmsOptions { Handler = _sent, MaxRetries = 0 })
            .WrapAsync(new byte[32], new EncryptionContext([new("scope", "clinic")]), Token).AsTask();

    private sealed class Recorder : HttpMessageHandler
    {
        public string? Host { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Host = request.RequestUri!.Host;
            return Task.FromResult(new HttpResponseMessage(System.Net.HttpStatusCode.ServiceUnavailable) { Content = new StringContent("{}") });
        }
    }
}
