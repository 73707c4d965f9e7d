using System.Security.Cryptography;
using System.Text.Json;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>Changes principals, policies and grants, each in the transaction of its caller.</summary>
internal sealed class AccessAdministration(string file, TimeProvider timeProvider)
{
    /// <summary>What a new KMS starts with: not enforced, no policy.</summary>
    public static AccessStateRow NewState(RootKey root)
    {
        var state = new AccessStateRow { Id = AccessStateRow.OnlyId, Policies = AccessMacs.Digest([]), Mac = [] };
        state.Mac = new AccessMacs(root, root.KmsId).Of(state);
        return state;
    }

    public async Task<LocalKmsCredential> CreatePrincipalAsync(KmsSession db, RootKey root, string name, CancellationToken cancellationToken)
    {
        var reader = new AccessReader(db, root, file);
        if (await reader.FindPrincipalAsync(name, cancellationToken).ConfigureAwait(false) is not null)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsAccessMessages.PrincipalExists(file, name));
        var credential = LocalKmsCredential.Create(name);
        var row = new PrincipalRow
        {
            Name = name,
            PrincipalId = NewId(),
            CredentialHash = reader.Macs.HashOf(credential),
            Created = timeProvider.Now(),
        };
        row.Mac = reader.Macs.Of(row);
        db.Add(row);
        return credential;
    }

    public async Task<LocalKmsCredential> RotateCredentialAsync(
        KmsSession db, RootKey root, string name, TimeSpan overlap, CancellationToken cancellationToken)
    {
        var credential = LocalKmsCredential.Create(name);
        await ChangeAsync(
            db,
            root,
            name,
            (row, macs) =>
            {
                row.FormerHash = overlap > TimeSpan.Zero ? row.CredentialHash : null;
                row.FormerUntil = overlap > TimeSpan.Zero ? timeProvider.Now() + Whole(overlap) : null;
                row.CredentialHash = macs.HashOf(credential);
            },
            cancellationToken).ConfigureAwait(false);
        return credential;
    }

    public Task SetDisabledAsync(KmsSession db, RootKey root, string name, bool disabled, CancellationToken cancellationToken)
        => ChangeAsync(db, root, name, (row, _) => row.Disabled = disabled, cancellationToken);

    public async Task DeletePrincipalAsync(KmsSession db, RootKey root, string name, CancellationToken cancellationToken)
    {
        var row = await GetPrincipalAsync(new AccessReader(db, root, file), name, cancellationToken).ConfigureAwait(false);
        db.RemoveRange(await db.ListAsync(AccessTables.Grants, [Where.Is("principal_id", row.PrincipalId)], cancellationToken: cancellationToken)
            .ConfigureAwait(false));
        db.Remove(row);
    }

    public async Task<IReadOnlyList<LocalKmsPrincipal>> ListPrincipalsAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var rows = await new AccessReader(db, root, file).ListPrincipalsAsync(cancellationToken).ConfigureAwait(false);
        return rows.ConvertAll(p => new LocalKmsPrincipal(p.Name, p.Disabled, p.Created, now < p.FormerUntil ? p.FormerUntil : null));
    }

    /// <summary>Names the keys that no one could describe and rotate if access were enforced.</summary>
    public async Task<IReadOnlyList<string>> ListUnadministeredAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
    {
        var reader = new AccessReader(db, root, file);
        var (_, policies) = await reader.ReadPoliciesAsync(cancellationToken).ConfigureAwait(false);
        var documents = policies.ConvertAll(p => (p.Name, reader.Parse(p)));
        var principals = new List<(string Name, List<AccessGrant> Grants)> { (PrincipalName.Root, []) };
        foreach (var row in (await reader.ListPrincipalsAsync(cancellationToken).ConfigureAwait(false)).Where(p => !p.Disabled))
            principals.Add((row.Name, (await reader.ReadGrantsAsync(row, cancellationToken)
                .ConfigureAwait(false)).ConvertAll(reader.Parse)));

        var (now, names) = (timeProvider.GetUtcNow(), new List<string>());
        var keys = await db.ListAsync(KmsTables.Keys, [], "name", cancellationToken: cancellationToken).ConfigureAwait(false);
        foreach (var key in keys.Where(k => k.State != KeyStates.Destroyed))
        {
            var aliases = await KeyLookup.AliasesAsync(db, root, file, key, cancellationToken).ConfigureAwait(false);
            string[] called = [key.Name, .. aliases.Select(a => a.Alias)];
            if (!principals.Exists(p => May(p, LocalKmsOperation.DescribeKey) && May(p, LocalKmsOperation.RotateKey)))
                names.Add(key.Name);

            bool May((string Name, List<AccessGrant> Grants) principal, LocalKmsOperation operation)
                => AccessRules.Decide(
                    new AccessRequest(principal.Name, operation, called, EncryptionContext.Empty), enforced: true, documents, principal.Grants, now).Allowed;
        }

        return names;
    }

    public async Task PutPolicyAsync(KmsSession db, RootKey root, string name, string document, CancellationToken cancellationToken)
    {
        var row = await db.FindAsync(AccessTables.Policies, [Where.Is("name", name)], cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        if (row is null)
            db.Add(row = new PolicyRow { Name = name, Document = document });
        (row.Document, row.Changed) = (document, timeProvider.Now());
        var macs = new AccessMacs(root, root.KmsId);
        row.Mac = macs.Of(row);
        await SealPoliciesAsync(db, root, name, row, cancellationToken).ConfigureAwait(false);
    }

    public async Task DeletePolicyAsync(KmsSession db, RootKey root, string name, CancellationToken cancellationToken)
    {
        var row = await db.FindAsync(AccessTables.Policies, [Where.Is("name", name)], cancellationToken: cancellationToken)
            .ConfigureAwait(false)
            ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsAccessMessages.NoPolicy(file, name));
        db.Remove(row);
        await SealPoliciesAsync(db, root, name, null, cancellationToken).ConfigureAwait(false);
    }

    public async Task<IReadOnlyList<LocalKmsPolicy>> ListPoliciesAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
        => (await new AccessReader(db, root, file).ReadPoliciesAsync(cancellationToken).ConfigureAwait(false)).Policies
            .ConvertAll(p => new LocalKmsPolicy(p.Name, p.Document, p.Changed));

    public async Task<LocalKmsGrant> CreateGrantAsync(
        KmsSession db,
        RootKey root,
        string principal,
        string keyName,
        IReadOnlyList<string> operations,
        EncryptionContext context,
        bool exactly,
        DateTimeOffset? expires,
        CancellationToken cancellationToken)
    {
        var reader = new AccessReader(db, root, file);
        var to = await GetPrincipalAsync(reader, principal, cancellationToken).ConfigureAwait(false);
        if (expires <= timeProvider.Now())
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsAccessMessages.GrantExpired(principal));
        var row = new GrantRow
        {
            GrantId = NewId(),
            Principal = principal,
            PrincipalId = to.PrincipalId,
            KeyName = keyName,
            Operations = JsonSerializer.Serialize(operations),
            Context = ContextJson.Write(context),
            ContextExactly = exactly,
            Expires = expires is { } until ? Whole(until) : null,
            Created = timeProvider.Now(),
        };
        row.Mac = reader.Macs.Of(row);
        db.Add(row);
        return Describe(reader, row);
    }

    public async Task RevokeGrantAsync(KmsSession db, string grantId, CancellationToken cancellationToken)
        => db.Remove(
            await db.FindAsync(AccessTables.Grants, [Where.Is("grant_id", grantId)], cancellationToken: cancellationToken)
                .ConfigureAwait(false)
                ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsAccessMessages.NoGrant(file, grantId)));

    public async Task<IReadOnlyList<LocalKmsGrant>> ListGrantsAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
    {
        var reader = new AccessReader(db, root, file);
        return (await reader.ListGrantsAsync(cancellationToken).ConfigureAwait(false)).ConvertAll(g => Describe(reader, g));
    }

    public async Task<bool> IsEnforcedAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
        => (await new AccessReader(db, root, file).ReadStateAsync(cancellationToken).ConfigureAwait(false)).Enforced;

    public async Task SetEnforcedAsync(KmsSession db, RootKey root, bool enforced, CancellationToken cancellationToken)
    {
        var reader = new AccessReader(db, root, file);
        var genuine = await reader.ReadStateAsync(cancellationToken).ConfigureAwait(false);
        var state = await db.GetOnlyAsync(AccessTables.State, cancellationToken).ConfigureAwait(false);
        db.Expect(state, genuine.Revision);
        (state.Enforced, state.Revision, state.Policies) = (enforced, genuine.Revision + 1, genuine.Policies);
        state.Mac = reader.Macs.Of(state);
    }

    // The state row is read genuine, and written under its revision: two changes at once follow each other.
    private async Task SealPoliciesAsync(
        KmsSession db, RootKey root, string name, PolicyRow? put, CancellationToken cancellationToken)
    {
        var reader = new AccessReader(db, root, file);
        var (genuine, policies) = await reader.ReadPoliciesAsync(cancellationToken, replaced: name).ConfigureAwait(false);
        policies.RemoveAll(p => p.Name == name);
        if (put is not null)
            policies.Add(put);
        var state = await db.GetOnlyAsync(AccessTables.State, cancellationToken).ConfigureAwait(false);
        db.Expect(state, genuine.Revision);
        state.Revision = genuine.Revision + 1;
        state.Enforced = genuine.Enforced;
        state.Policies = AccessMacs.Digest(policies);
        state.Mac = reader.Macs.Of(state);
    }

    private async Task ChangeAsync(
        KmsSession db, RootKey root, string name, Action<PrincipalRow, AccessMacs> change, CancellationToken cancellationToken)
    {
        var reader = new AccessReader(db, root, file);
        var row = await GetPrincipalAsync(reader, name, cancellationToken).ConfigureAwait(false);
        change(row, reader.Macs);
        row.Revision++;
        row.Mac = reader.Macs.Of(row);
    }

    private async Task<PrincipalRow> GetPrincipalAsync(AccessReader reader, string name, CancellationToken cancellationToken)
        => await reader.FindPrincipalAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsAccessMessages.NoPrincipal(file, name));

    private static LocalKmsGrant Describe(AccessReader reader, GrantRow row)
    {
        var grant = reader.Parse(row);
        return new LocalKmsGrant(
            grant.GrantId, grant.Principal, grant.KeyName, grant.Operations, grant.Context, grant.Exactly, grant.Expires, row.Created);
    }

    // Whole milliseconds, which every store keeps exactly: a MAC is over what is read back.
    private static TimeSpan Whole(TimeSpan time) => TimeSpan.FromMilliseconds(time.Ticks / TimeSpan.TicksPerMillisecond);

    private static DateTimeOffset Whole(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());

    private static string NewId() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}
