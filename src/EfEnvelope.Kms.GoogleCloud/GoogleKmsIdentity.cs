using System.Text;
using EfEnvelope.Kms.GoogleCloud.Http;
using Google.Apis.Auth.OAuth2;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.GoogleCloud;

/// <summary>What tells one configured key from another: credentials and transports by reference, and never printed.</summary>
/// <param name="Kek">The key.</param>
/// <param name="Source">An <see cref="ITokenAccess" />, a delegate, a transport, or nothing for the application default credentials.</param>
/// <param name="Options">How the service is reached, unless by a transport.</param>
internal sealed record GoogleKmsIdentity(KekUri Kek, object? Source, GoogleCloudKmsOptions? Options)
{
    public IKeyWrapper CreateWrapper(KmsServices services)
    {
        var logger = services.LoggerFactory.CreateLogger("EfEnvelope.Kms.GoogleCloud");
        if (Source is IGoogleKmsTransport transport)
            return new GoogleKeyWrapper(Kek, transport);
        var credential = Source switch
        {
            null => null,
            ITokenAccess access => access,
            Func<CancellationToken, ValueTask<string>> ask => new DelegatedTokens(ask),
            _ => throw new InvalidOperationException(),
        };
        return new GoogleKeyWrapper(Kek, new GoogleHttpTransport(new GoogleTokens(credential, logger), Options!, services.TimeProvider, logger));
    }

    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append("Kek = ").Append(Kek).Append(", BaseAddress = ").Append(Options?.BaseAddress);
        return true;
    }
}
