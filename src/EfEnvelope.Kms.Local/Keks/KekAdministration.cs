using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>The work behind the gate that makes, changes and describes keys. Each runs in the transaction it is given.</summary>
internal sealed class KekAdministration(KmsStore store, TimeProvider timeProvider)
{
    /// <summary>Makes a KEK with version 1, or returns the one that is there.</summary>
    public async Task<(LocalKmsKey Key, bool Created)> CreateAsync(
        KmsDbContext db, RootKey root, KmsSubject subject, string name, CancellationToken cancellationToken)
    {
        if (subject.Key is { } present)
            return (await DescribeAsync(db, root, present, cancellationToken).ConfigureAwait(false), false);
        var key = new KeyRow
        {
            KeyId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
            Name = name,
            Purpose = KeyPurposes.Wrap,
            State = KeyStates.Enabled,
            Created = timeProvider.Now(),
        };
        db.Add(key);
        subject.Is(key);
        subject.Version = AddVersion(db, root, key, 1);
        RowMacs.Sign(root, key);
        await db.SaveChangesAsync(cancellationToken).ConfigureAwait(false);
        return (await DescribeAsync(db, root, key, cancellationToken).ConfigureAwait(false), true);
    }

    /// <summary>Adds a version and makes it primary.</summary>
    public async Task<LocalKmsKey> RotateAsync(KmsDbContext db, RootKey root, KmsSubject subject, string name, CancellationToken cancellationToken)
    {
        var key = Get(subject, name);
        if (KeyStates.Parse(key.State) != LocalKmsKeyState.Enabled)
            throw new KmsException(KmsErrorKind.Disabled, LocalKmsMessages.KeyDisabled(store.Path, name));
        var last = await db.KeyVersions.Where(v => v.KeyId == key.KeyId).MaxAsync(v => v.Version, cancellationToken).ConfigureAwait(false);
        subject.Version = AddVersion(db, root, key, last + 1);
        Changed(root, key);
        await db.SaveChangesAsync(cancellationToken).ConfigureAwait(false);
        return await DescribeAsync(db, root, key, cancellationToken).ConfigureAwait(false);
    }

    public async Task<(LocalKmsKey Key, bool Changed)> SetStateAsync(
        KmsDbContext db, RootKey root, KmsSubject subject, string name, string state, CancellationToken cancellationToken)
    {
        var key = Get(subject, name);
        var changed = key.State != state;
        if (changed)
        {
            key.State = state;
            Changed(root, key);
        }

        return (await DescribeAsync(db, root, key, cancellationToken).ConfigureAwait(false), changed);
    }

    public Task<LocalKmsKey> DescribeAsync(KmsDbContext db, RootKey root, KmsSubject subject, string name, CancellationToken cancellationToken)
        => DescribeAsync(db, root, Get(subject, name), cancellationToken);

    public async Task<IReadOnlyList<LocalKmsKey>> ListAsync(KmsDbContext db, RootKey root, CancellationToken cancellationToken)
    {
        var keys = await db.Keys.OrderBy(k => k.Name).ToListAsync(cancellationToken).ConfigureAwait(false);
        var described = new List<LocalKmsKey>(keys.Count);
        foreach (var key in keys)
            described.Add(await DescribeAsync(db, root, key, cancellationToken).ConfigureAwait(false));
        return described;
    }

    private static void Changed(RootKey root, KeyRow key)
    {
        key.Revision++;
        RowMacs.Sign(root, key);
    }

    private async Task<LocalKmsKey> DescribeAsync(KmsDbContext db, RootKey root, KeyRow key, CancellationToken cancellationToken)
    {
        var versions = await KeyLookup.VersionsAsync(db, root, store.Path, key, cancellationToken).ConfigureAwait(false);
        return new LocalKmsKey(
            key.Name,
            key.KeyId,
            KeyStates.Parse(key.State),
            key.PrimaryVersion,
            key.Created,
            [.. versions.Select(v => new LocalKmsKeyVersion(v.Version, KeyStates.Parse(v.State), v.Created))]);
    }

    private KeyRow Get(KmsSubject subject, string name)
        => subject.Key ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(store.Path, name));

    private int AddVersion(KmsDbContext db, RootKey root, KeyRow key, int number)
    {
        Span<byte> material = stackalloc byte[SealedBytes.KeySize];
        try
        {
            RandomNumberGenerator.Fill(material);
            var version = new KeyVersionRow
            {
                KeyId = key.KeyId,
                Version = number,
                State = KeyStates.Enabled,
                SealedMaterial = root.SealMaterial(key, number, material),
                Created = timeProvider.Now(),
            };
            RowMacs.Sign(root, version);
            db.Add(version);
            key.PrimaryVersion = number;
            return number;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(material);
        }
    }
}
