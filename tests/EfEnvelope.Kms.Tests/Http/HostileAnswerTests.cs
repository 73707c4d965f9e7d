using System.Net;
using Amazon.Runtime;
using Azure.Core;
using EfEnvelope.Kms.Aws;
using EfEnvelope.Kms.Azure;
using EfEnvelope.Kms.GoogleCloud;
using EfEnvelope.Kms.Oci;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Vault;
using Google.Apis.Auth.OAuth2;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Tests.Http;

/// <summary>What something on the way may answer in a service's place.</summary>
public sealed class HostileAnswerTests
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Services => ["aws", "google", "oci", "vault"];

    [Theory]
    [MemberData(nameof(Services))]
    public async Task Redirect_takes_neither_key_nor_credentials_to_another_host(string service)
    {
        await using var other = await Answering.StartAsync(_ => 200);
        await using var first = await Answering.StartAsync(
            response =>
            {
                response.Headers.Location = $"http://localhost:{other.Address.Port}/stolen";
                return 307;
            });
        var wrapper = Open(service, first.Address);

        await Assert.ThrowsAsync<KmsException>(() => wrapper.WrapAsync(Key, Context, Token).AsTask());

        Assert.NotEqual(0, first.Requests);
        Assert.Equal(0, other.Requests);
    }

    public static TheoryData<string, int, string> AnswersOfOthers
    {
        get
        {
            const string Page = "<html><body>Sign in</body></html>";
            var data = new TheoryData<string, int, string>();
            foreach (var service in (string[])["aws", "azure", "google", "oci", "vault"])
            {
                foreach (var status in (int[])[301, 302, 307, 308, 407, 403])
                    data.Add(service, status, Page);
                foreach (var body in (string[])[Page, "", "null", "{}", """{"CiphertextBlob":"AQ"""])
                    data.Add(service, 200, body);
                data.Add(service, 403, "");
                data.Add(service, 403, "null");
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(AnswersOfOthers))]
    public async Task Answer_of_something_on_the_way_is_an_outage(string service, int status, string body)
    {
        await using var server = await Answering.StartAsync(_ => status, body);
        var wrapper = Open(service, server.Address);

        Assert.Equal(KmsErrorKind.Unavailable, (await Assert.ThrowsAsync<KmsException>(() => wrapper.WrapAsync(Key, Context, Token).AsTask())).Kind);

        // An empty description is one that says nothing.
        if (await Record.ExceptionAsync(() => wrapper.DescribeAsync(Token).AsTask()) is { } describing)
            Assert.Equal(KmsErrorKind.Unavailable, Assert.IsType<KmsException>(describing).Kind);
        else
            Assert.Equal("{}", body);
        Assert.NotEqual(0, server.Requests);
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task Time_to_retry_that_is_past_leaves_an_outage_an_outage(string service)
    {
        await using var server = await Answering.StartAsync(
            response =>
            {
                response.Headers.RetryAfter = "Wed, 21 Oct 2015 07:28:00 GMT";
                return 503;
            });
        var wrapper = Open(service, server.Address);

        var e = await Assert.ThrowsAsync<KmsException>(() => wrapper.WrapAsync(Key, Context, Token).AsTask());

        Assert.Equal(KmsErrorKind.Unavailable, e.Kind);
    }

    [Fact]
    public async Task Connection_that_breaks_while_a_refused_token_is_looked_at_is_an_outage()
    {
        await using var server = await Answering.StartAsync(
            response =>
            {
                if (!response.HttpContext.Request.Path.Value!.EndsWith("lookup-self", StringComparison.Ordinal))
                    return 403;
                response.HttpContext.Abort();
                return 200;
            });

        var e = await Assert.ThrowsAsync<KmsException>(() => Open("vault", server.Address).WrapAsync(Key, Context, Token).AsTask());

        Assert.Equal(KmsErrorKind.Unavailable, e.Kind);
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task Handler_that_gives_up_by_a_time_out_of_its_own_is_a_time_out(string service)
    {
        var wrapper = Open(service, new Uri("http://127.0.0.1:1"), new GivingUp());

        Assert.Equal(KmsErrorKind.Timeout, (await Assert.ThrowsAsync<KmsException>(() => wrapper.WrapAsync(Key, Context, Token).AsTask())).Kind);
        Assert.Equal(KmsErrorKind.Timeout, (await Assert.ThrowsAsync<KmsException>(() => wrapper.DescribeAsync(Token).AsTask())).Kind);
    }

    private static IKeyWrapper Open(string service, Uri address, HttpMessageHandler? handler = null)
        => service switch
        {
            "aws" => AwsKms.CreateKeyWrapper(
                "alias/clinic",
                new AwsKmsOptions
                {
                    BaseAddress = address, Region = "eu-central-1", Credentials = new SessionAWSCredentials("AKIATEST", "secret", "token"), MaxRetries = 0,
                    Timeout = KmsHarness.Patience, Handler = handler,
                }),
            "google" => GoogleCloudKms.CreateKeyWrapper(
                "projects/p/locations/l/keyRings/r/cryptoKeys/k",
                GoogleCredential.FromAccessToken("ya29.token"),
                new GoogleCloudKmsOptions { BaseAddress = address, MaxRetries = 1, Timeout = KmsHarness.Patience, Handler = handler }),
            "oci" => OciVault.CreateKeyWrapper(
                "ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.first", address.AbsoluteUri, new NoSignature(),
                new OciVaultOptions { ManagementEndpoint = address, MaxRetries = 1, Timeout = KmsHarness.Patience, Handler = handler }),
            "azure" => AzureKeyVault.CreateKeyWrapper(
                "https://clinic.vault.azure.net/keys/clinic",
                new FixedCredential(),
                new AzureKeyVaultOptions { MaxRetries = 1, Timeout = KmsHarness.Patience, Handler = handler ?? new InClear(address) }),
            _ => VaultTransit.CreateKeyWrapper(
                "clinic",
                VaultTokens.Fixed("hvs.token"),
                new VaultTransitOptions { BaseAddress = address, MaxRetries = 1, Timeout = KmsHarness.Patience, Handler = handler }),
        };

    private sealed class GivingUp : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
            => throw new TaskCanceledException("The request was canceled.", new TimeoutException());
    }

    // Azure's options take https alone.
    private sealed class InClear(Uri address) : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false })
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.RequestUri = new Uri(address, request.RequestUri!.PathAndQuery);
            return base.SendAsync(request, cancellationToken);
        }
    }

    private sealed class FixedCredential : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
            => new("token", DateTimeOffset.MaxValue);

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken)
            => new(GetToken(requestContext, cancellationToken));
    }

    private sealed class NoSignature : IOciRequestSigner
    {
        public ValueTask SignAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Signature version=\"1\"");
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Answering : IAsyncDisposable
    {
        private readonly WebApplication _application;
        private int _requests;

        private Answering(Func<HttpResponse, int> answer, string body)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
            _application = builder.Build();
            _application.Run(
                context =>
                {
                    Interlocked.Increment(ref _requests);
                    context.Response.StatusCode = answer(context.Response);
                    return body.Length == 0 ? Task.CompletedTask : context.Response.WriteAsync(body);
                });
        }

        public Uri Address { get; private set; } = null!;

        public int Requests => Volatile.Read(ref _requests);

        public static async Task<Answering> StartAsync(Func<HttpResponse, int> answer, string body = "")
        {
            var server = new Answering(answer, body);
            await server._application.StartAsync(Token);
            server.Address = new Uri(server._application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
            return server;
        }

        public ValueTask DisposeAsync() => _application.DisposeAsync();
    }
}
