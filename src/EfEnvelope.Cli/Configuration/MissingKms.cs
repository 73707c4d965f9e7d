using EfEnvelope.Kms;

namespace EfEnvelope.Cli.Configuration;

/// <summary>Stands where no KMS is configured, for commands that do not ask one.</summary>
internal sealed class MissingKms : IKeyWrapper
{
    public const string Name = "none:unconfigured";

    public KekUri Kek { get; } = new(Name);

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => throw Missing();

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => throw Missing();

    public ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default) => throw Missing();

    private static KmsException Missing() => new(KmsErrorKind.Unauthenticated, CliMessages.NoKms());
}
