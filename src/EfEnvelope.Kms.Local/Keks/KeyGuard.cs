using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>Says whether a key may be used, and lends its material. States and times are asked each time, so a key is disabled in all processes at once.</summary>
internal sealed class KeyGuard(KmsStore store, TimeProvider timeProvider)
{
    public string Store => store.Path;

    public DateTimeOffset Now => timeProvider.Now();

    /// <summary>Whether the material is gone, or its time has come: the next maintenance removes it.</summary>
    public bool IsDestroyed(KeyRow key) => key.State == KeyStates.Destroyed || (key.State == KeyStates.PendingDeletion && key.DeletionAt <= Now);

    public bool IsRotationDue(KeyRow key) => key.State == KeyStates.Enabled && key.NextRotation <= Now;

    /// <summary>Returns the key that a call names, whatever its state.</summary>
    public KeyRow Get(KmsSubject subject, string name)
    {
        var key = subject.Key ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(Store, name));
        return IsDestroyed(key) ? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.KeyDestroyed(Store, key.Name)) : key;
    }

    /// <summary>Returns the key that a call names, which must be enabled.</summary>
    public KeyRow GetEnabled(KmsSubject subject, string name)
    {
        var key = Get(subject, name);
        return key.State switch
        {
            KeyStates.Enabled => key,
            KeyStates.PendingDeletion => throw new KmsException(
                KmsErrorKind.PendingDeletion, LocalKmsMessages.KeyPendingDeletion(Store, key.Name, key.DeletionAt!.Value)),
            KeyStates.Disabled => throw new KmsException(KmsErrorKind.Disabled, LocalKmsMessages.KeyDisabled(Store, key.Name)),
            _ => throw KeyLookup.Altered(Store),
        };
    }

    /// <summary>Returns the key that a call names, which must be enabled and for this purpose.</summary>
    public KeyRow GetUsable(KmsSubject subject, string name, string purpose)
    {
        if (subject.Key is { } key && key.Purpose != purpose && !IsDestroyed(key))
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyForOtherPurpose(Store, key.Name, key.Purpose, purpose));
        return GetEnabled(subject, name);
    }

    /// <summary>Returns the version that wraps, encrypts or signs now.</summary>
    public async Task<KeyVersionRow> PrimaryAsync(KmsSession db, RootKey root, KmsSubject subject, KeyRow key, CancellationToken cancellationToken)
        => await FindVersionAsync(db, root, subject, key, key.PrimaryVersion, cancellationToken).ConfigureAwait(false) ?? throw KeyLookup.Altered(Store);

    /// <summary>Returns one version, which must be enabled; nothing when there is none of that number.</summary>
    public async Task<KeyVersionRow?> FindVersionAsync(
        KmsSession db, RootKey root, KmsSubject subject, KeyRow key, long number, CancellationToken cancellationToken)
    {
        var version = await KeyLookup.FindVersionAsync(db, root, Store, key, number, cancellationToken).ConfigureAwait(false);
        if (version is null)
            return null;
        subject.Version = version.Version;
        return KeyStates.Parse(version.State) == LocalKmsKeyState.Enabled
            ? version
            : throw new KmsException(KmsErrorKind.Disabled, LocalKmsMessages.KeyVersionDisabled(Store, key.Name, (uint)version.Version));
    }

    /// <summary>Lends the material of a version and zeroes it afterwards.</summary>
    public T WithMaterial<T>(RootKey root, KeyRow key, KeyVersionRow version, Func<byte[], T> use)
    {
        var material = root.TryOpenMaterial(key, version.Version, version.SealedMaterial) ?? throw KeyLookup.Altered(Store);
        try
        {
            return use(material);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(material);
        }
    }
}
