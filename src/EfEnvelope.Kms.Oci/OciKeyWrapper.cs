using System.Text;

namespace EfEnvelope.Kms.Oci;

/// <summary>The seam over a transport: which key, what is bound, which version.</summary>
internal sealed class OciKeyWrapper(KekUri kek, IOciKmsTransport transport) : IKeyWrapper, IDisposable
{
    public KekUri Kek { get; } = kek;

    // A transport of the caller's stays the caller's.
    public void Dispose() => (transport as Http.OciHttpTransport)?.Dispose();

    public async ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        WrappableKey.Require(Kek, key);
        var result = await AskAsync(Kek, t => t.EncryptAsync(Kek.Key, key, context.Pairs, cancellationToken)).ConfigureAwait(false);
        return IsText(result.Ciphertext)
            ? new WrappedKeyCopy(Kek, result.KeyVersionId, Encoding.ASCII.GetBytes(result.Ciphertext))
            : throw new KmsException(KmsErrorKind.Unavailable, OciMessages.NotUnderstood(Kek));
    }

    // The copy names its key, which may be another one of the same vault; the ciphertext carries the version.
    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        ArgumentNullException.ThrowIfNull(context);
        if (!OciKeyId.IsValid(wrapped.Kek))
            throw new KmsException(KmsErrorKind.WrongKey, OciMessages.ForeignKek(wrapped.Kek));

        // The service's ciphertext is text, and is kept as it came, because nothing says that it will always be Base64. What is no text was altered.
        var ciphertext = Encoding.Latin1.GetString(wrapped.Ciphertext.Span);
        if (!IsText(ciphertext))
            throw new KmsException(KmsErrorKind.InvalidCiphertext, OciMessages.Refused(wrapped.Kek, null));
        return AskAsync(wrapped.Kek, t => t.DecryptAsync(wrapped.Kek.Key, ciphertext, context.Pairs, cancellationToken));
    }

    public async ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
    {
        var key = await AskAsync(Kek, t => t.GetKeyAsync(Kek.Key, cancellationToken)).ConfigureAwait(false);
        if (key is null)
            return new KekDescription(Kek, KekState.Unknown);
        if (key.LifecycleState is "DELETED" or "DELETING")
            throw new KmsException(KmsErrorKind.NotFound, OciMessages.Deleted(Kek));
        return new KekDescription(Kek, StateOf(key.LifecycleState))
        {
            PrimaryVersion = key.CurrentKeyVersion,
            Protection = key.ProtectionMode,
            CreatedAt = key.TimeCreated,
            DeletionAt = key.TimeOfDeletion,
        };
    }

    public override string ToString() => Kek.ToString();

    private static bool IsText(string text) => text.Length > 0 && !text.AsSpan().ContainsAnyExceptInRange('!', '~');

    private static KekState StateOf(string? state) => state switch
    {
        "ENABLED" or "UPDATING" or "BACKUP_IN_PROGRESS" => KekState.Enabled,
        "DISABLED" or "DISABLING" or "ENABLING" or "CANCELLING_DELETION" or "RESTORING" or "CREATING" => KekState.Disabled,
        "PENDING_DELETION" or "SCHEDULING_DELETION" => KekState.PendingDeletion,
        _ => KekState.Unknown,
    };

    private ValueTask<T> AskAsync<T>(KekUri asked, Func<IOciKmsTransport, ValueTask<T>> ask)
        => KmsTransport.AskAsync(asked, () => ask(transport), static kek => OciMessages.TransportFailed(kek));
}
