using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>The work behind the gate that makes, rotates, enables, disables and destroys keys, each in the transaction it is given.</summary>
internal sealed class KeyLife(KeyGuard guard)
{
    public static readonly TimeSpan ShortestRotation = TimeSpan.FromDays(1);
    public static readonly TimeSpan LongestRotation = TimeSpan.FromDays(3650);
    public const int ShortestDeletionDays = 7;
    public const int LongestDeletionDays = 30;

    /// <summary>Makes a key with version 1, or returns the one that is there.</summary>
    public (KeyRow Key, bool Created) Create(
        KmsSession db, RootKey root, KmsSubject subject, string name, LocalKmsKeyOptions options, bool exact, KeyMaterial material, string origin)
    {
        if (subject.Key is { } present)
        {
            if (guard.IsDestroyed(present))
                throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NameOfDestroyedKey(guard.Store, name));
            if (exact && KeyAlgorithms.Parse(present.Algorithm) != options.Algorithm)
                throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyOfOtherAlgorithm(guard.Store, name, present.Algorithm));
            return (present, false);
        }

        var now = guard.Now;
        var key = new KeyRow
        {
            KeyId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
            Name = name,
            Purpose = KeyAlgorithms.PurposeOf(options.Algorithm),
            Algorithm = KeyAlgorithms.Format(options.Algorithm),
            State = KeyStates.Enabled,
            Origin = origin,
            Description = options.Description,
            RotationPeriod = (long?)options.RotationPeriod?.TotalSeconds,
            NextRotation = now + options.RotationPeriod,
            Aliases = RowMacs.DigestOf([]),
            Created = now,
        };
        db.Add(key);
        foreach (var (tag, value) in options.Tags ?? new Dictionary<string, string>())
            db.Add(new TagRow { KeyId = key.KeyId, Name = tag, Value = value });
        subject.Is(key);
        AddVersion(db, root, subject, key, 1, material);
        RowMacs.Sign(root, key);
        return (key, true);
    }

    /// <summary>Adds a version and makes it primary.</summary>
    public async Task<KeyRow> RotateAsync(
        KmsSession db, RootKey root, KmsSubject subject, string name, KeyMaterial? material, CancellationToken cancellationToken)
    {
        var key = guard.GetEnabled(subject, name);
        var isImport = material is not null;
        if (isImport != (key.Origin == KeyOrigins.Imported))
        {
            throw new KmsException(
                KmsErrorKind.InvalidRequest,
                isImport ? LocalKmsMessages.KeyWasGenerated(guard.Store, key.Name) : LocalKmsMessages.KeyWasImported(guard.Store, key.Name));
        }

        // Counted from the primary version, which the row's MAC covers: a version row of another hand chooses no number.
        using var fresh = material ?? KeyMaterial.Generate(KeyAlgorithms.Parse(key.Algorithm));
        AddVersion(db, root, subject, key, key.PrimaryVersion + 1, fresh);
        if (key.RotationPeriod is { } seconds)
            key.NextRotation = guard.Now.AddSeconds(seconds);
        Changed(root, key);
        return key;
    }

    /// <summary>
    /// Rotates a key whose time has come; returns whether its work may go on, because nothing was due or this is a transaction.
    /// </summary>
    public async Task<bool> RotateIfDueAsync(
        KmsSession db, RootKey root, KmsSubject subject, string name, CancellationToken cancellationToken)
    {
        if (subject.Key is not { } key || !guard.IsRotationDue(key))
            return true;
        if (!subject.CanWrite)
            return false;
        await RotateAsync(db, root, subject, name, material: null, cancellationToken).ConfigureAwait(false);
        await db.SaveAsync(cancellationToken).ConfigureAwait(false);
        subject.Detail = "rotated";
        return true;
    }

    public void SetRotation(RootKey root, KmsSubject subject, string name, TimeSpan? period)
    {
        var key = guard.GetEnabled(subject, name);
        if (key.Origin == KeyOrigins.Imported && period is not null)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyWasImported(guard.Store, key.Name));
        key.RotationPeriod = (long?)period?.TotalSeconds;
        key.NextRotation = guard.Now + period;
        Changed(root, key);
    }

    public bool SetState(RootKey root, KmsSubject subject, string name, string state)
    {
        var key = guard.Get(subject, name);
        if (key.State == KeyStates.PendingDeletion)
            guard.GetEnabled(subject, name);
        if (key.State == state)
            return false;
        key.State = state;
        Changed(root, key);
        return true;
    }

    public async Task<bool> SetVersionStateAsync(
        KmsSession db, RootKey root, KmsSubject subject, string name, int number, string state, CancellationToken cancellationToken)
    {
        var key = guard.Get(subject, name);
        if (key.State == KeyStates.PendingDeletion)
            guard.GetEnabled(subject, name);
        var version = await KeyLookup.FindVersionAsync(db, root, guard.Store, key, number, cancellationToken).ConfigureAwait(false)
            ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoVersion(guard.Store, key.Name, number));
        subject.Version = number;
        if (state == KeyStates.Disabled && number == key.PrimaryVersion)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.PrimaryVersionStays(guard.Store, key.Name, number));
        if (version.State == state)
            return false;
        version.State = state;
        RowMacs.Sign(root, version);
        Changed(root, key);
        return true;
    }

    public void ScheduleDeletion(RootKey root, KmsSubject subject, string name, int days)
    {
        var key = guard.Get(subject, name);
        if (key.State == KeyStates.PendingDeletion)
            guard.GetEnabled(subject, name);
        key.State = KeyStates.PendingDeletion;
        key.DeletionAt = guard.Now.AddDays(days);
        Changed(root, key);
    }

    /// <summary>Leaves the key disabled.</summary>
    public bool CancelDeletion(RootKey root, KmsSubject subject, string name)
    {
        var key = guard.Get(subject, name);
        if (key.State != KeyStates.PendingDeletion)
            return false;
        key.State = KeyStates.Disabled;
        key.DeletionAt = null;
        Changed(root, key);
        return true;
    }

    /// <summary>Removes the material of a key whose time has come, and whatever points to it. Its row stays and keeps the name taken.</summary>
    public async Task<bool> DestroyIfDueAsync(KmsSession db, RootKey root, KmsSubject subject, CancellationToken cancellationToken)
    {
        if (subject.Key is not { State: KeyStates.PendingDeletion } key || !guard.IsDestroyed(key))
            return false;
        Where[] itsOwn = [Where.Is("key_id", key.KeyId)];
        db.RemoveRange(await db.ListAsync(KmsTables.KeyVersions, itsOwn, cancellationToken: cancellationToken).ConfigureAwait(false));
        db.RemoveRange(await db.ListAsync(KmsTables.Aliases, itsOwn, cancellationToken: cancellationToken).ConfigureAwait(false));
        db.RemoveRange(await db.ListAsync(KmsTables.Tags, itsOwn, cancellationToken: cancellationToken).ConfigureAwait(false));
        key.State = KeyStates.Destroyed;
        key.RotationPeriod = null;
        key.NextRotation = null;
        key.Aliases = RowMacs.DigestOf([]);
        Changed(root, key);
        return true;
    }

    private static void Changed(RootKey root, KeyRow key)
    {
        key.Revision++;
        RowMacs.Sign(root, key);
    }

    private void AddVersion(KmsSession db, RootKey root, KmsSubject subject, KeyRow key, int number, KeyMaterial material)
    {
        var version = new KeyVersionRow
        {
            KeyId = key.KeyId,
            Version = number,
            State = KeyStates.Enabled,
            SealedMaterial = root.SealMaterial(key, number, material.Secret),
            PublicKey = material.PublicKey,
            Created = guard.Now,
        };
        RowMacs.Sign(root, version);
        db.Add(version);
        key.PrimaryVersion = number;
        subject.Version = number;
    }
}
