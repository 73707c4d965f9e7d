using System.Data;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Keks;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local;

// How keys come in from elsewhere, what opens the store, and how it is kept safe.
public sealed partial class LocalKms
{
    /// <summary>Makes a wrapping key for one import.</summary>
    /// <param name="keySize">The size of the RSA key in bits, 3,072 or 4,096.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The public key, and a token that is valid once and for 24 hours.</returns>
    public Task<LocalKmsImportParameters> GetImportParametersAsync(int keySize = 4096, CancellationToken cancellationToken = default)
    {
        if (keySize is not (3072 or 4096))
            throw new ArgumentOutOfRangeException(nameof(keySize), keySize, LocalKmsMessages.ImportWrappingKeySize());
        return PrepareAsync();

        async Task<LocalKmsImportParameters> PrepareAsync()
        {
            using var wrapping = RSA.Create(keySize);
            _ = wrapping.ExportParameters(includePrivateParameters: false);
            return await _gate.WriteAsync(
                Call(LocalKmsOperation.ImportKey),
                (db, root, _, _) => Task.FromResult(_keys.Import.Prepare(db, root, wrapping)),
                cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Imports a key that was made elsewhere, or the next version of one that was imported before.</summary>
    /// <param name="name">The key: a new name, or that of an imported key of the same algorithm, which rotates to what is imported.</param>
    /// <param name="options">What the key is like. For a key that is there already, only the algorithm is looked at.</param>
    /// <param name="token">The token of the wrapping key. It is used up.</param>
    /// <param name="wrappedKey">
    /// An AES or HMAC key: its 32 bytes, encrypted with RSA-OAEP (SHA-256) under the wrapping key. A private key: an AES-256 key, encrypted so, and
    /// directly after it the key as PKCS#8, wrapped under that AES key with padding (RFC 5649).
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    /// <remarks>An imported key cannot be rotated by generation, neither on demand nor by period.</remarks>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidRequest" />: the token was used, has expired or is not known; the name is that of another kind of key, or of one
    /// that was deleted. <see cref="KmsErrorKind.InvalidCiphertext" />: what is wrapped does not open, or is no such key; the token can be used again.
    /// </exception>
    public async Task<LocalKmsKey> ImportKeyAsync(
        string name, LocalKmsKeyOptions options, string token, ReadOnlyMemory<byte> wrappedKey, CancellationToken cancellationToken = default)
    {
        CheckNewKey(name, options);
        ArgumentNullException.ThrowIfNull(token);
        if (options.RotationPeriod is not null)
            throw new ArgumentException(LocalKmsMessages.KeyWasImported(StoreName, name), nameof(options));
        var (key, created) = await _gate.WriteAsync(
            Call(LocalKmsOperation.ImportKey, name),
            async (db, root, subject, cancellation) =>
            {
                var (row, created) = await _keys.Import.ImportAsync(db, root, subject, name, options, token, wrappedKey, cancellation).ConfigureAwait(false);
                return (await _keys.Catalog.DescribeAsync(db, root, row, cancellation).ConfigureAwait(false), created);
            },
            cancellationToken).ConfigureAwait(false);
        LocalKmsLog.KeyImported(_logger, key.PrimaryVersion, name, StoreName);
        return key;
    }

    /// <summary>Lists the seals, the oldest first. Any one of them opens the KMS.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The seals.</returns>
    public Task<IReadOnlyList<LocalKmsSealInfo>> ListSealsAsync(CancellationToken cancellationToken = default)
        => _gate.ReadAsync(Call(LocalKmsOperation.ManageSeals), (db, _, _, token) => SealChange.ListAsync(db, token), cancellationToken);

    /// <summary>
    /// Adds a seal, which opens the KMS from now on as well as the others. To change the seal without downtime: add the new one, restart the processes
    /// with it one by one, then remove the old one.
    /// </summary>
    /// <param name="seal">The new seal.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The seal, described.</returns>
    public async Task<LocalKmsSealInfo> AddSealAsync(LocalKmsSeal seal, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(seal);
        var added = await _gate.WriteAsync(
            Call(LocalKmsOperation.ManageSeals),
            (db, root, subject, token) => _seals.AddAsync(db, root, subject, seal, token),
            cancellationToken).ConfigureAwait(false);
        LocalKmsLog.SealAdded(_logger, added.Kind, StoreName);
        return added;
    }

    /// <summary>Removes a seal, which opens the KMS no longer. Processes that it has opened go on until they are restarted.</summary>
    /// <param name="seal">The seal. A seal that was given twice is removed twice.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task.</returns>
    /// <remarks>
    /// The root key stays the same: who has a copy of the store, with the removed seal in it, and that seal's secret, can still open the copy.
    /// </remarks>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.NotFound" />: it opens nothing here. <see cref="KmsErrorKind.InvalidRequest" />: it is the last one.
    /// </exception>
    public Task RemoveSealAsync(LocalKmsSeal seal, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(seal);
        return RemoveSealAsync((db, root, subject, token) => _seals.RemoveAsync(db, root, subject, seal, token), cancellationToken);
    }

    /// <summary>Removes a seal whose secret is lost.</summary>
    /// <param name="sealId">The id, as listed.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.NotFound" />: there is none. <see cref="KmsErrorKind.InvalidRequest" />: it is the last one.
    /// </exception>
    public Task RemoveSealAsync(string sealId, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sealId);
        return RemoveSealAsync((db, _, subject, token) => _seals.RemoveAsync(db, subject, sealId, token), cancellationToken);
    }

    /// <summary>
    /// Writes all keys, with what belongs to them, into one encrypted and authenticated file, from which <see cref="RestoreAsync(Stream, string, CancellationToken)" /> makes the same KMS
    /// in any kind of store. It is read as of one moment, while others go on.
    /// </summary>
    /// <param name="destination">Where it is written to. It is not closed.</param>
    /// <param name="passphrase">What encrypts it: who has both has all keys, whatever seals the KMS.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task.</returns>
    public async Task BackupAsync(Stream destination, string passphrase, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        PassphraseSeal.Validate(passphrase);
        var content = await _gate.WriteAsync(
            Call(LocalKmsOperation.Backup),
            (db, root, _, token) => KmsBackup.ReadAsync(db, root, token),
            cancellationToken,
            IsolationLevel.Serializable).ConfigureAwait(false);
        try
        {
            await destination.WriteAsync(KmsBackup.Seal(content, passphrase), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>
    /// Makes the KMS of a backup in this store, which must be empty. It is sealed by the seal of this <see cref="LocalKms" /> alone, whatever sealed the
    /// one that was backed up.
    /// </summary>
    /// <param name="source">The backup, read to its end before anything is written. It is not closed.</param>
    /// <param name="passphrase">What encrypted it.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidCiphertext" />: another passphrase, or the file was altered. <see cref="KmsErrorKind.InvalidRequest" />: it is no
    /// backup, or the store holds a KMS. Nothing is changed then.
    /// </exception>
    public async Task RestoreAsync(Stream source, string passphrase, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        PassphraseSeal.Validate(passphrase);
        await KmsGate.GuardAsync(
            _store,
            async () =>
            {
                if (await _store.ReadHeaderAsync(cancellationToken).ConfigureAwait(false) is not null)
                    throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.StoreNotEmpty(StoreName));
                var content = KmsBackup.Open(await KmsBackup.ReadFileAsync(source, cancellationToken).ConfigureAwait(false), passphrase);
                try
                {
                    return await RestoreAsync(content, cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    CryptographicOperations.ZeroMemory(content);
                }
            }).ConfigureAwait(false);
        LocalKmsLog.KmsRestored(_logger, StoreName);
        await _gate.RecordDoneAsync(Call(LocalKmsOperation.Restore), cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> RestoreAsync(byte[] content, CancellationToken cancellationToken)
    {
        var (root, fill) = KmsBackup.Parse(content);
        using (root)
        {
            // Before anything is made: a seal that refuses leaves nothing behind.
            var seal = await root.SealByAsync(_opener.Seal, StoreName, _timeProvider.Now(), cancellationToken).ConfigureAwait(false);
            var created = await _store.CreateAsync(
                (db, _) =>
                {
                    fill(db);
                    db.Add(seal);
                    return Task.CompletedTask;
                },
                cancellationToken).ConfigureAwait(false);
            return created ? true : throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.StoreNotEmpty(StoreName));
        }
    }

    private async Task RemoveSealAsync(
        Func<KmsSession, RootKey, KmsSubject, CancellationToken, Task<int>> remove, CancellationToken cancellationToken)
    {
        var removed = await _gate.WriteAsync(Call(LocalKmsOperation.ManageSeals), remove, cancellationToken).ConfigureAwait(false);
        LocalKmsLog.SealRemoved(_logger, removed, StoreName);
    }
}
