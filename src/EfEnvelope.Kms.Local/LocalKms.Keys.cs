using EfEnvelope.Kms.Local.Keks;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local;

// The life of keys: made, rotated, enabled and disabled, deleted.
public sealed partial class LocalKms
{
    /// <summary>Makes a KEK with version 1. A key of that name which exists already is left as it is.</summary>
    /// <param name="name">1 to 200 letters, digits and <c>. _ / -</c>, starting with a letter or digit, not with <c>alias/</c>. Case matters.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key that is there now.</returns>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.InvalidRequest" />: the name belonged to a key that was deleted.</exception>
    public Task<LocalKmsKey> CreateKeyAsync(string name, CancellationToken cancellationToken = default)
        => CreateKeyAsync(name, new LocalKmsKeyOptions(), exact: false, cancellationToken);

    /// <summary>Makes a key with version 1. A key of that name and algorithm which exists already is left as it is.</summary>
    /// <param name="name">1 to 200 letters, digits and <c>. _ / -</c>, starting with a letter or digit, not with <c>alias/</c>. Case matters.</param>
    /// <param name="options">What the key is like.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key that is there now.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidRequest" />: the name belonged to a key that was deleted, or is that of a key of another algorithm.
    /// </exception>
    public Task<LocalKmsKey> CreateKeyAsync(string name, LocalKmsKeyOptions options, CancellationToken cancellationToken = default)
        => CreateKeyAsync(name, options, exact: true, cancellationToken);

    /// <summary>Adds a version to a key, which wraps or signs from now on. Earlier versions still open and verify what they made.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key with its new version. Two rotations at once add two versions.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.Disabled" />: the key is disabled. <see cref="KmsErrorKind.InvalidRequest" />: the key was imported.
    /// </exception>
    public async Task<LocalKmsKey> RotateKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        var key = await _gate.WriteAsync(
            Call(LocalKmsOperation.RotateKey, name),
            async (db, root, subject, token) => await _keys.Catalog.DescribeAsync(
                db, root, await _keys.Life.RotateAsync(db, root, subject, name, material: null, token).ConfigureAwait(false), token).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);
        LocalKmsLog.KekRotated(_logger, key.Name, StoreName, key.PrimaryVersion);
        return key;
    }

    /// <summary>Sets how often a key rotates by itself: at its first use when the time has come, or at the next maintenance.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="period">1 to 3,650 days from now and from each rotation; <see langword="null" /> for never.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    /// <remarks>Think twice for a signing key: whoever verifies elsewhere needs its new public key.</remarks>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.InvalidRequest" />: the key was imported.</exception>
    public Task<LocalKmsKey> SetKeyRotationAsync(string name, TimeSpan? period, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        CheckPeriod(period, nameof(period));
        return _gate.WriteAsync(
            Call(LocalKmsOperation.RotateKey, name),
            (db, root, subject, token) =>
            {
                _keys.Life.SetRotation(root, subject, name, period);
                return _keys.Catalog.DescribeAsync(db, root, subject.Key!, token);
            },
            cancellationToken);
    }

    /// <summary>Lets a key be used again. No change if it is enabled.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    public async Task<LocalKmsKey> EnableKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        var (key, changed) = await SetStateAsync(LocalKmsOperation.EnableKey, name, KeyStates.Enabled, cancellationToken).ConfigureAwait(false);
        if (changed)
            LocalKmsLog.KekEnabled(_logger, key.Name, StoreName);
        return key;
    }

    /// <summary>Forbids a key, in every process, to do anything, until it is enabled again. No change if it is disabled.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    /// <remarks>Data keys that a process has already unwrapped stay in its memory until its key ring is read again.</remarks>
    public async Task<LocalKmsKey> DisableKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        var (key, changed) = await SetStateAsync(LocalKmsOperation.DisableKey, name, KeyStates.Disabled, cancellationToken).ConfigureAwait(false);
        if (changed)
            LocalKmsLog.KekDisabled(_logger, key.Name, StoreName);
        return key;
    }

    /// <summary>Lets one version of a key be used again. No change if it is enabled.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="version">The version.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    public Task<LocalKmsKey> EnableKeyVersionAsync(string name, int version, CancellationToken cancellationToken = default)
        => SetVersionStateAsync(LocalKmsOperation.EnableKey, name, version, KeyStates.Enabled, cancellationToken);

    /// <summary>Forbids one version of a key to unwrap, decrypt or verify, until it is enabled again. No change if it is disabled.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="version">The version, which must not be the primary.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.InvalidRequest" />: the version is the primary.</exception>
    public Task<LocalKmsKey> DisableKeyVersionAsync(string name, int version, CancellationToken cancellationToken = default)
        => SetVersionStateAsync(LocalKmsOperation.DisableKey, name, version, KeyStates.Disabled, cancellationToken);

    /// <summary>Takes a key out of use now and destroys its material later. What it wrapped is lost then, in every copy of this KMS but its backups.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="days">In how many days, 7 to 30.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    /// <remarks>
    /// From that time on the key is not found, whether or not a maintenance has removed its material yet. Its name is not given to another key.
    /// </remarks>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.PendingDeletion" />: a deletion is scheduled already.</exception>
    public async Task<LocalKmsKey> ScheduleKeyDeletionAsync(string name, int days = 30, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (days is < KeyLife.ShortestDeletionDays or > KeyLife.LongestDeletionDays)
            throw new ArgumentOutOfRangeException(nameof(days), days, LocalKmsMessages.DeletionDays());
        var key = await _gate.WriteAsync(
            Call(LocalKmsOperation.ScheduleKeyDeletion, name),
            (db, root, subject, token) =>
            {
                _keys.Life.ScheduleDeletion(root, subject, name, days);
                return _keys.Catalog.DescribeAsync(db, root, subject.Key!, token);
            },
            cancellationToken).ConfigureAwait(false);
        LocalKmsLog.KeyDeletionScheduled(_logger, key.Name, StoreName, key.DeletionAt!.Value);
        return key;
    }

    /// <summary>Cancels the deletion of a key and leaves it disabled. No change if none is scheduled.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    public async Task<LocalKmsKey> CancelKeyDeletionAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        var (key, changed) = await _gate.WriteAsync(
            Call(LocalKmsOperation.CancelKeyDeletion, name),
            async (db, root, subject, token) =>
            {
                var changed = _keys.Life.CancelDeletion(root, subject, name);
                return (await _keys.Catalog.DescribeAsync(db, root, subject.Key!, token).ConfigureAwait(false), changed);
            },
            cancellationToken).ConfigureAwait(false);
        if (changed)
            LocalKmsLog.KeyDeletionCancelled(_logger, key.Name, StoreName);
        return key;
    }

    /// <summary>
    /// Destroys the material of keys whose deletion is due, rotates keys whose rotation is due, and forgets wrapping keys of imports that expired. Call
    /// it once a day; on several nodes at once does no harm.
    /// </summary>
    /// <param name="cancellationToken">Cancels what is not done yet.</param>
    /// <returns>What was done.</returns>
    /// <remarks>
    /// SQLite overwrites what it removes, and its write-ahead log is emptied. On a server the removed rows stay on the disk until it reuses their space.
    /// </remarks>
    public async Task<LocalKmsMaintenance> RunMaintenanceAsync(CancellationToken cancellationToken = default)
    {
        await OpenAsync(cancellationToken).ConfigureAwait(false);
        var (toDestroy, toRotate) = await Operations.KmsGate.GuardAsync(
            _store, () => _store.ReadAsync(_keys.Catalog.DueAsync, cancellationToken)).ConfigureAwait(false);
        var destroyed = new List<string>();
        foreach (var name in toDestroy)
        {
            var done = await _gate.WriteAsync(
                Call(LocalKmsOperation.DestroyKey, name),
                (db, root, subject, token) => _keys.Life.DestroyIfDueAsync(db, root, subject, token),
                cancellationToken).ConfigureAwait(false);
            if (!done)
                continue;
            destroyed.Add(name);
            LocalKmsLog.KeyDestroyed(_logger, name, StoreName);
        }

        var rotated = new List<string>();
        foreach (var name in toRotate)
        {
            var version = await _gate.WriteAsync(
                Call(LocalKmsOperation.RotateKey, name),
                async (db, root, subject, token) =>
                    await _keys.Life.RotateIfDueAsync(db, root, subject, name, token).ConfigureAwait(false) ? subject.Version : null,
                cancellationToken).ConfigureAwait(false);
            if (version is null)
                continue;
            rotated.Add(name);
            LocalKmsLog.KekRotated(_logger, name, StoreName, version.Value);
        }

        await Operations.KmsGate.GuardAsync(
            _store,
            async () =>
            {
                await _store.WriteAsync(_keys.Import.RemoveExpiredAsync, cancellationToken).ConfigureAwait(false);
                await _store.ForgetRemovedAsync(cancellationToken).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);
        return new LocalKmsMaintenance(rotated, destroyed);
    }

    private static void CheckPeriod(TimeSpan? period, string parameter)
    {
        if (period < KeyLife.ShortestRotation || period > KeyLife.LongestRotation)
            throw new ArgumentOutOfRangeException(parameter, period, LocalKmsMessages.RotationPeriod());
    }

    private async Task<LocalKmsKey> CreateKeyAsync(string name, LocalKmsKeyOptions options, bool exact, CancellationToken cancellationToken)
    {
        CheckNewKey(name, options);

        // Made before the transaction, which others wait for: an RSA key takes a while.
        using var material = KeyMaterial.Generate(options.Algorithm);
        var (key, created) = await _gate.WriteAsync(
            Call(LocalKmsOperation.CreateKey, name),
            async (db, root, subject, token) =>
            {
                var (row, created) = _keys.Life.Create(db, root, subject, name, options, exact, material, KeyOrigins.Generated);
                return (await _keys.Catalog.DescribeAsync(db, root, row, token).ConfigureAwait(false), created);
            },
            cancellationToken).ConfigureAwait(false);
        if (created)
            LocalKmsLog.KekCreated(_logger, name, StoreName);
        return key;
    }

    private static void CheckNewKey(string name, LocalKmsKeyOptions options)
    {
        KekName.ValidateNew(name);
        ArgumentNullException.ThrowIfNull(options);
        CheckPeriod(options.RotationPeriod, nameof(options));
        if (options.Description is null or { Length: > 1000 } || !StoreText.IsPlain(options.Description))
            throw new ArgumentException(LocalKmsMessages.MalformedTag(), nameof(options));
        foreach (var (tag, value) in options.Tags ?? new Dictionary<string, string>())
            CheckTag(tag, value);
    }

    private async Task<(LocalKmsKey Key, bool Changed)> SetStateAsync(
        LocalKmsOperation operation, string name, string state, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return await _gate.WriteAsync(
            Call(operation, name),
            async (db, root, subject, token) =>
            {
                var changed = _keys.Life.SetState(root, subject, name, state);
                return (await _keys.Catalog.DescribeAsync(db, root, subject.Key!, token).ConfigureAwait(false), changed);
            },
            cancellationToken).ConfigureAwait(false);
    }

    private async Task<LocalKmsKey> SetVersionStateAsync(
        LocalKmsOperation operation, string name, int version, string state, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        var (key, changed) = await _gate.WriteAsync(
            Call(operation, name),
            async (db, root, subject, token) =>
            {
                var changed = await _keys.Life.SetVersionStateAsync(db, root, subject, name, version, state, token).ConfigureAwait(false);
                return (await _keys.Catalog.DescribeAsync(db, root, subject.Key!, token).ConfigureAwait(false), changed);
            },
            cancellationToken).ConfigureAwait(false);
        if (changed)
            LocalKmsLog.KeyVersionChanged(_logger, version, key.Name, StoreName, state);
        return key;
    }
}
