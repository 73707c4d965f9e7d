using Amazon.Runtime;
using Amazon.Runtime.Internal;
using EfEnvelope.Kms.Aws;

namespace EfEnvelope.Kms.Tests.Aws;

/// <summary>Runs alone: the environment belongs to the process.</summary>
[CollectionDefinition(nameof(AwsEnvironmentTests), DisableParallelization = true)]
public sealed class AwsEnvironment;

/// <summary>What the SDK takes from the environment.</summary>
[Collection(nameof(AwsEnvironmentTests))]
public sealed class AwsEnvironmentTests
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, null, false, false, "kms.eu-central-1.amazonaws.com")]
    [InlineData("AWS_USE_FIPS_ENDPOINT", "true", false, false, "kms-fips.eu-central-1.amazonaws.com")]
    [InlineData(null, null, true, false, "kms-fips.eu-central-1.amazonaws.com")]
    [InlineData("AWS_USE_DUALSTACK_ENDPOINT", "true", false, false, "kms.eu-central-1.api.aws")]
    [InlineData(null, null, false, true, "kms.eu-central-1.api.aws")]
    [InlineData("AWS_USE_FIPS_ENDPOINT", "true", false, true, "kms-fips.eu-central-1.api.aws")]
    [InlineData("AWS_ENDPOINT_URL_KMS", "https://kms.clinic.example", false, false, "kms.clinic.example")]
    public async Task Requests_go_where_the_options_and_the_environment_say(string? variable, string? value, bool fips, bool dualStack, string host)
    {
        using var set = new Variable(variable, value);
        var handler = new Recorder();

        await Assert.ThrowsAsync<KmsException>(() => Create(handler, o => o with { UseFipsEndpoint = fips, UseDualStackEndpoint = dualStack })
            .WrapAsync(new byte[32], Context, Token).AsTask());

        Assert.Equal(host, handler.Host);
        Assert.Contains("/eu-central-1/kms/aws4_request", handler.Authorization, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("AWS_ENDPOINT_URL_KMS", "http://10.0.0.9:4566")]
    [InlineData("AWS_ENDPOINT_URL", "http://10.0.0.9:4566")]
    [InlineData("AWS_ENDPOINT_URL_KMS", "https://user:secret@kms.clinic.example")]
    public void Address_of_the_environment_that_is_not_safe_is_refused(string variable, string value)
    {
        using var set = new Variable(variable, value);

        var e = Assert.Throws<EnvelopeConfigurationException>(() => Create(new Recorder(), o => o));

        Assert.Contains("in clear", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Address_of_the_environment_may_be_of_this_machine_and_an_address_of_the_options_goes_first()
    {
        using var set = new Variable("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:4566");
        var (local, own) = (new Recorder(), new Recorder());

        await Assert.ThrowsAsync<KmsException>(() => Create(local, o => o).WrapAsync(new byte[32], Context, Token).AsTask());
        await Assert.ThrowsAsync<KmsException>(
            () => Create(own, o => o with { BaseAddress = new Uri("https://kms.clinic.example") }).WrapAsync(new byte[32], Context, Token).AsTask());

        Assert.Equal(("127.0.0.1", "kms.clinic.example"), (local.Host, own.Host));
    }

    private static IKeyWrapper Create(HttpMessageHandler handler, Func<AwsKmsOptions, AwsKmsOptions> change)
        => AwsKms.CreateKeyWrapper(
            "alias/clinic",
            change(new AwsKmsOptions { Region = "eu-central-1", Credentials = new SessionAWSCredentials("AKIATEST", "secret", "token"), MaxRetries = 0, Handler = handler }));

    private sealed class Variable : IDisposable
    {
        private readonly string? _name;

        public Variable(string? name, string? value)
        {
            _name = name;
            Set(value);
        }

        public void Dispose()
        {
            Set(null);
        }

        // The SDK reads most of its settings once.
        private void Set(string? value)
        {
            if (_name is not null)
                Environment.SetEnvironmentVariable(_name, value);
            FallbackInternalConfigurationFactory.Reset();
        }
    }

    private sealed class Recorder : HttpMessageHandler
    {
        public string? Host { get; private set; }

        public string Authorization { get; private set; } = "";

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Host = request.RequestUri!.Host;
            Authorization = request.Headers.NonValidated.TryGetValues("Authorization", out var values) ? values.ToString() : "";
            return Task.FromResult(new HttpResponseMessage(System.Net.HttpStatusCode.ServiceUnavailable) { Content = new StringContent("{}") });
        }
    }
}
