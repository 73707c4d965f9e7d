using Amazon.KeyManagementService;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Aws;

/// <summary>What tells one configured AWS KMS from another: its key, and its options or the caller's own client.</summary>
internal sealed record AwsKmsIdentity(AwsKeyId Key, AwsKmsOptions? Options, IAmazonKeyManagementService? Client)
{
    public IKeyWrapper CreateWrapper(ILoggerFactory loggers)
    {
        var connection = Client is null ? AwsConnection.Open(Key, Options!) : AwsConnection.Over(Client);
        return new AwsKeyWrapper(Key, connection, loggers.CreateLogger("EfEnvelope.Kms.Aws"));
    }

    public override string ToString() => $"AwsKms({Key}, {(Client is null ? Options : "own client")})";
}
