using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>Reads every row that decides something, and names the first one that was altered, added or taken away by a hand without the seal.</summary>
internal sealed class StoreVerifier(KmsStore store)
{
    public async Task<string?> FindFaultAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
    {
        try
        {
            await store.RefuseTrapsAsync(cancellationToken).ConfigureAwait(false);
            foreach (var key in await db.ListAsync(KmsTables.Keys, [], "name", cancellationToken: cancellationToken).ConfigureAwait(false))
            {
                if (!RowMacs.IsGenuine(root, key))
                    return LocalKmsAuditMessages.KeyRowAltered(key.Name);
                await KeyLookup.VersionsAsync(db, root, store.Path, key, cancellationToken).ConfigureAwait(false);
                await KeyLookup.AliasesAsync(db, root, store.Path, key, cancellationToken).ConfigureAwait(false);
            }

            var access = new AccessReader(db, root, store.Path);
            await access.ReadPoliciesAsync(cancellationToken).ConfigureAwait(false);
            await access.ListPrincipalsAsync(cancellationToken).ConfigureAwait(false);
            await access.ListGrantsAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (KmsException e) when (e.Kind == KmsErrorKind.InvalidCiphertext)
        {
            return e.Message;
        }
    }
}
