namespace EfEnvelope.Kms.GoogleCloud;

/// <summary>The seam over a transport: which key, what is bound, which version.</summary>
internal sealed class GoogleKeyWrapper(KekUri kek, IGoogleKmsTransport transport) : IKeyWrapper, IDisposable
{
    public KekUri Kek { get; } = kek;

    // A transport of the caller's stays the caller's.
    public void Dispose() => (transport as Http.GoogleHttpTransport)?.Dispose();

    public async ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        WrappableKey.Require(Kek, key);
        var result = await AskAsync(Kek, t => t.EncryptAsync(Kek.Key, key, context.AssociatedData, cancellationToken)).ConfigureAwait(false);
        return CryptoKeyName.VersionOf(result.CryptoKeyVersion) is { } version
            ? new WrappedKeyCopy(Kek, version, result.Ciphertext)
            : throw new KmsException(KmsErrorKind.Unavailable, GoogleKmsMessages.NotUnderstood(Kek));
    }

    // The copy names its key, which may be another one of the same service; the ciphertext carries the version.
    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        ArgumentNullException.ThrowIfNull(context);
        if (!CryptoKeyName.IsValid(wrapped.Kek))
            throw new KmsException(KmsErrorKind.WrongKey, GoogleKmsMessages.ForeignKek(wrapped.Kek));
        return AskAsync(wrapped.Kek, t => t.DecryptAsync(wrapped.Kek.Key, wrapped.Ciphertext, context.AssociatedData, cancellationToken));
    }

    public async ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
    {
        var key = await AskAsync(Kek, t => t.GetCryptoKeyAsync(Kek.Key, cancellationToken)).ConfigureAwait(false);
        if (key is null)
            return new KekDescription(Kek, KekState.Unknown);
        if (key.Purpose is not (null or "ENCRYPT_DECRYPT"))
            throw new KmsException(KmsErrorKind.InvalidRequest, GoogleKmsMessages.OtherPurpose(Kek));
        if (key.PrimaryState == "DESTROYED")
            throw new KmsException(KmsErrorKind.NotFound, GoogleKmsMessages.Destroyed(Kek));
        return new KekDescription(Kek, StateOf(key))
        {
            PrimaryVersion = CryptoKeyName.VersionOf(key.PrimaryVersion),
            Protection = key.ProtectionLevel,
            CreatedAt = key.CreateTime,
            DeletionAt = key.DestroyTime,
        };
    }

    public override string ToString() => Kek.ToString();

    // A key without a primary version decrypts what it encrypted before, but encrypts nothing.
    private static KekState StateOf(GoogleCryptoKey key)
        => key.PrimaryVersion is null ? KekState.Disabled : key.PrimaryState switch
        {
            "ENABLED" => KekState.Enabled,
            "DISABLED" => KekState.Disabled,
            "DESTROY_SCHEDULED" => KekState.PendingDeletion,
            _ => KekState.Unknown,
        };

    private ValueTask<T> AskAsync<T>(KekUri asked, Func<IGoogleKmsTransport, ValueTask<T>> ask)
        => KmsTransport.AskAsync(asked, () => ask(transport), static kek => GoogleKmsMessages.TransportFailed(kek));
}
