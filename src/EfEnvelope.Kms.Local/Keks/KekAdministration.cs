using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>Makes, rotates, enables, disables and describes the KEKs of an opened KMS.</summary>
internal sealed class KekAdministration(KmsStore store, TimeProvider timeProvider, ILogger logger)
{
    /// <summary>Makes a KEK with version 1, or returns the one that is there.</summary>
    public async Task<LocalKmsKey> CreateAsync(RootKey root, string name, CancellationToken cancellationToken)
    {
        var (key, created) = await store.WriteAsync(
            async (db, token) =>
            {
                if (await FindAsync(db, name, token).ConfigureAwait(false) is { } present)
                    return (present, false);
                var key = new KeyRow
                {
                    KeyId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
                    Name = name,
                    Purpose = KeyRow.WrapPurpose,
                    State = KeyStates.Enabled,
                    Created = timeProvider.GetUtcNow(),
                };
                db.Add(key);
                AddVersion(root, key, 1);
                return (key, true);
            },
            cancellationToken).ConfigureAwait(false);
        if (created)
            LocalKmsLog.KekCreated(logger, name, store.Path);
        return Describe(key);
    }

    /// <summary>Adds a version and makes it primary.</summary>
    public async Task<LocalKmsKey> RotateAsync(RootKey root, string name, CancellationToken cancellationToken)
    {
        var key = await store.WriteAsync(
            async (db, token) =>
            {
                var key = await GetAsync(db, name, token).ConfigureAwait(false);
                if (KeyStates.Parse(key.State) != LocalKmsKeyState.Enabled)
                    throw new KmsException(KmsErrorKind.Disabled, LocalKmsMessages.KeyDisabled(store.Path, name));
                AddVersion(root, key, key.Versions.Max(v => v.Version) + 1);
                key.Revision++;
                return key;
            },
            cancellationToken).ConfigureAwait(false);
        LocalKmsLog.KekRotated(logger, name, store.Path, key.PrimaryVersion);
        return Describe(key);
    }

    public async Task<LocalKmsKey> EnableAsync(string name, CancellationToken cancellationToken)
    {
        var (key, changed) = await SetStateAsync(name, KeyStates.Enabled, cancellationToken).ConfigureAwait(false);
        if (changed)
            LocalKmsLog.KekEnabled(logger, name, store.Path);
        return key;
    }

    public async Task<LocalKmsKey> DisableAsync(string name, CancellationToken cancellationToken)
    {
        var (key, changed) = await SetStateAsync(name, KeyStates.Disabled, cancellationToken).ConfigureAwait(false);
        if (changed)
            LocalKmsLog.KekDisabled(logger, name, store.Path);
        return key;
    }

    public async Task<LocalKmsKey> DescribeAsync(string name, CancellationToken cancellationToken)
    {
        var db = store.CreateContext();
        await using (db.ConfigureAwait(false))
            return Describe(await GetAsync(db, name, cancellationToken).ConfigureAwait(false));
    }

    public async Task<IReadOnlyList<LocalKmsKey>> ListAsync(CancellationToken cancellationToken)
    {
        var db = store.CreateContext();
        await using (db.ConfigureAwait(false))
        {
            var keys = await db.Keys.Include(k => k.Versions).AsNoTracking().OrderBy(k => k.Name)
                .ToListAsync(cancellationToken).ConfigureAwait(false);
            return keys.ConvertAll(Describe);
        }
    }

    private static Task<KeyRow?> FindAsync(KmsDbContext db, string name, CancellationToken cancellationToken)
        => db.Keys.Include(k => k.Versions).SingleOrDefaultAsync(k => k.Name == name, cancellationToken);

    private static LocalKmsKey Describe(KeyRow key) => new(
        key.Name,
        key.KeyId,
        KeyStates.Parse(key.State),
        key.PrimaryVersion,
        key.Created,
        [.. key.Versions.OrderBy(v => v.Version).Select(v => new LocalKmsKeyVersion(v.Version, KeyStates.Parse(v.State), v.Created))]);

    private async Task<KeyRow> GetAsync(KmsDbContext db, string name, CancellationToken cancellationToken)
        => await FindAsync(db, name, cancellationToken).ConfigureAwait(false)
            ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(store.Path, name));

    private void AddVersion(RootKey root, KeyRow key, int version)
    {
        Span<byte> material = stackalloc byte[SealedBytes.KeySize];
        try
        {
            RandomNumberGenerator.Fill(material);
            key.Versions.Add(
                new KeyVersionRow
                {
                    KeyId = key.KeyId,
                    Version = version,
                    State = KeyStates.Enabled,
                    SealedMaterial = root.SealMaterial(key, version, material),
                    Created = timeProvider.GetUtcNow(),
                });
            key.PrimaryVersion = version;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(material);
        }
    }

    private Task<(LocalKmsKey Key, bool Changed)> SetStateAsync(string name, string state, CancellationToken cancellationToken)
        => store.WriteAsync(
            async (db, token) =>
            {
                var key = await GetAsync(db, name, token).ConfigureAwait(false);
                var changed = key.State != state;
                if (changed)
                {
                    key.State = state;
                    key.Revision++;
                }

                return (Describe(key), changed);
            },
            cancellationToken);
}
