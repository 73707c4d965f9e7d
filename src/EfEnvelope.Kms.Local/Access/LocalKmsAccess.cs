using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local;

/// <summary>
/// Who may do what in an embedded KMS: principals with a credential each, policies, and grants. All of it is
/// <see cref="LocalKmsOperation.ManageAccess" />, and recorded.
/// </summary>
/// <remarks>
/// <para>
/// A statement that denies wins over everything; then a statement that allows; then a grant; what nothing allows is denied. Who opens the
/// KMS by its seal without a credential is <c>root</c>, and may do everything until access is enforced; from then on only manage access,
/// seals, backup and audit. Principals may never do more than the rules say.
/// </para>
/// <para>
/// Nothing is cached: a changed policy, a revoked grant, a disabled principal counts for the very next operation, in every process.
/// </para>
/// </remarks>
public sealed class LocalKmsAccess
{
    private readonly KmsGate _gate;
    private readonly AccessControl _control;
    private readonly AccessAdministration _administration;
    private readonly Func<string?, KmsCall> _call;
    private readonly string _file;
    private readonly ILogger _logger;

    internal LocalKmsAccess(
        KmsGate gate, AccessControl control, AccessAdministration administration, Func<string?, KmsCall> call, string file, ILogger logger)
    {
        _logger = logger;
        _gate = gate;
        _control = control;
        _administration = administration;
        _call = call;
        _file = file;
    }

    /// <summary>Makes a principal.</summary>
    /// <param name="name">1 to 100 letters, digits and <c>_ - @</c>, starting with a letter or digit. Case matters.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The text of its credential, for <see cref="LocalKmsCredential.Parse" />. It is shown this once.</returns>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.InvalidRequest" />: there is one of that name.</exception>
    public Task<string> CreatePrincipalAsync(string name, CancellationToken cancellationToken = default)
    {
        Validate(name);
        return WriteAsync(
            $"create principal {name}",
            async (db, root, token) => (await _administration.CreatePrincipalAsync(db, root, name, token).ConfigureAwait(false)).Reveal(),
            cancellationToken);
    }

    /// <summary>Gives a principal a new credential.</summary>
    /// <param name="name">The principal.</param>
    /// <param name="overlap">For how long the former credential is accepted too; zero: not at all. One before that is refused at once.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The text of the new credential. It is shown this once.</returns>
    public Task<string> RotateCredentialAsync(string name, TimeSpan overlap, CancellationToken cancellationToken = default)
    {
        Validate(name);
        if (overlap < TimeSpan.Zero || overlap > Keks.KeyLife.LongestRotation)
            throw new ArgumentException(LocalKmsAccessMessages.OverlapLength(), nameof(overlap));
        return WriteAsync(
            $"rotate credential of {name}",
            async (db, root, token) => (await _administration.RotateCredentialAsync(db, root, name, overlap, token).ConfigureAwait(false)).Reveal(),
            cancellationToken);
    }

    /// <summary>Refuses the credentials of a principal until it is enabled again.</summary>
    /// <param name="name">The principal.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it is disabled in every process.</returns>
    public Task DisablePrincipalAsync(string name, CancellationToken cancellationToken = default)
        => SetDisabledAsync("disable", name, true, cancellationToken);

    /// <summary>Accepts the credentials of a principal again.</summary>
    /// <param name="name">The principal.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it is enabled.</returns>
    public Task EnablePrincipalAsync(string name, CancellationToken cancellationToken = default)
        => SetDisabledAsync("enable", name, false, cancellationToken);

    /// <summary>Deletes a principal and its grants. Policies that name it stay, and hold for a namesake that is made later.</summary>
    /// <param name="name">The principal.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it is deleted.</returns>
    public Task DeletePrincipalAsync(string name, CancellationToken cancellationToken = default)
    {
        Validate(name);
        return WriteAsync(
            $"delete principal {name}", (db, root, token) => _administration.DeletePrincipalAsync(db, root, name, token), cancellationToken);
    }

    /// <summary>Lists the principals by name.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The principals, without <c>root</c>.</returns>
    public Task<IReadOnlyList<LocalKmsPrincipal>> ListPrincipalsAsync(CancellationToken cancellationToken = default)
        => ReadAsync("list principals", _administration.ListPrincipalsAsync, cancellationToken);

    /// <summary>Makes a policy, or replaces the one of that name.</summary>
    /// <param name="name">1 to 100 letters, digits and <c>_ - @</c>, starting with a letter or digit.</param>
    /// <param name="document">The JSON document; README.md describes it. A field that is not known is refused.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it counts in every process.</returns>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.InvalidRequest" />: what is wrong with the document.</exception>
    public Task PutPolicyAsync(string name, string document, CancellationToken cancellationToken = default)
    {
        PrincipalName.Validate(name);
        ArgumentNullException.ThrowIfNull(document);
        return WriteAsync(
            $"put policy {name}",
            (db, root, token) =>
            {
                try
                {
                    PolicyParser.Parse(document);
                }
                catch (FormatException e)
                {
                    throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsAccessMessages.MalformedPolicy(name, e.Message), e);
                }

                return _administration.PutPolicyAsync(db, root, name, document, token);
            },
            cancellationToken);
    }

    /// <summary>Deletes a policy.</summary>
    /// <param name="name">The policy.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it counts no longer.</returns>
    public Task DeletePolicyAsync(string name, CancellationToken cancellationToken = default)
        => WriteAsync(
            $"delete policy {name}", (db, root, token) => _administration.DeletePolicyAsync(db, root, name, token), cancellationToken);

    /// <summary>Lists the policies by name.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The policies with their documents.</returns>
    public Task<IReadOnlyList<LocalKmsPolicy>> ListPoliciesAsync(CancellationToken cancellationToken = default)
        => ReadAsync("list policies", _administration.ListPoliciesAsync, cancellationToken);

    /// <summary>Lets a principal do something with one key.</summary>
    /// <param name="principal">The principal.</param>
    /// <param name="key">The key, by name or alias; the grant is for the key that it is now.</param>
    /// <param name="operations">Operations of <see cref="LocalKmsOperation" />, or beginnings of their names that end in a star.</param>
    /// <param name="context">Pairs that the encryption context must contain; by default none.</param>
    /// <param name="contextExactly">Whether the encryption context must be these pairs and no other.</param>
    /// <param name="expires">Until when, not including; by default until it is revoked.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The grant with its id.</returns>
    public Task<LocalKmsGrant> CreateGrantAsync(
        string principal,
        string key,
        IEnumerable<string> operations,
        EncryptionContext? context = null,
        bool contextExactly = false,
        DateTimeOffset? expires = null,
        CancellationToken cancellationToken = default)
    {
        Validate(principal);
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(operations);
        string[] names = [.. operations];
        if (names.Length == 0 || !names.All(AccessOperations.Covers))
            throw new ArgumentException(LocalKmsAccessMessages.GrantWithoutOperations(principal), nameof(operations));
        return _gate.WriteAsync(
            _call(key),
            async (db, root, subject, token) =>
            {
                if (subject.KeyName is not { } keyName)
                    throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(_file, key));
                var grant = await _administration.CreateGrantAsync(
                    db, root, principal, keyName, names, context ?? EncryptionContext.Empty, contextExactly, expires, token).ConfigureAwait(false);
                subject.Detail = $"create grant {grant.GrantId} for {principal}";
                return grant;
            },
            cancellationToken);
    }

    /// <summary>Revokes a grant.</summary>
    /// <param name="grantId">The id of the grant.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it counts no longer, in any process.</returns>
    public Task RevokeGrantAsync(string grantId, CancellationToken cancellationToken = default)
        => WriteAsync($"revoke grant {grantId}", (db, _, token) => _administration.RevokeGrantAsync(db, grantId, token), cancellationToken);

    /// <summary>Lists the grants by principal, also those that have expired.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The grants.</returns>
    public Task<IReadOnlyList<LocalKmsGrant>> ListGrantsAsync(CancellationToken cancellationToken = default)
        => ReadAsync("list grants", _administration.ListGrantsAsync, cancellationToken);

    /// <summary>
    /// Names the keys that no one could administer if access were enforced: neither an enabled principal nor <c>root</c> is allowed both
    /// <see cref="LocalKmsOperation.DescribeKey" /> and <see cref="LocalKmsOperation.RotateKey" /> with them.
    /// </summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The names of the keys, in their order; none when each key has an administrator.</returns>
    public Task<IReadOnlyList<string>> ListKeysWithoutAdministratorAsync(CancellationToken cancellationToken = default)
        => ReadAsync("list keys without administrator", _administration.ListUnadministeredAsync, cancellationToken);

    /// <summary>
    /// From now on only those may use a key whom a rule allows to; who holds the seal alone may not. Keys that no one can administer then
    /// are logged as a warning: see <see cref="ListKeysWithoutAdministratorAsync" />.
    /// </summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when access is enforced in every process.</returns>
    public async Task EnforceAsync(CancellationToken cancellationToken = default)
    {
        await WriteAsync("enforce access", (db, root, token) => _administration.SetEnforcedAsync(db, root, true, token), cancellationToken)
            .ConfigureAwait(false);

        // Access is enforced already, also where the store has a row that was altered.
        IReadOnlyList<string> left;
        try
        {
            left = await ListKeysWithoutAdministratorAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (KmsException e)
        {
            LocalKmsLog.AdministratorsUnknown(_logger, _file, e);
            return;
        }

        if (left.Count > 0)
            LocalKmsLog.KeysWithoutAdministrator(_logger, _file, string.Join("', '", left));
    }

    /// <summary>From now on who holds the seal may do everything again. Principals stay limited to what the rules allow.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when access is no longer enforced.</returns>
    public Task StopEnforcingAsync(CancellationToken cancellationToken = default)
        => WriteAsync("stop enforcing access", (db, root, token) => _administration.SetEnforcedAsync(db, root, false, token), cancellationToken);

    /// <summary>Tells whether access is enforced.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Whether it is.</returns>
    public Task<bool> IsEnforcedAsync(CancellationToken cancellationToken = default)
        => ReadAsync("is access enforced", _administration.IsEnforcedAsync, cancellationToken);

    /// <summary>Tells whether somebody may do something, and which rule decides, by the same code; nothing is done.</summary>
    /// <param name="principal">The principal, or <c>root</c>. Whether it is disabled does not count here.</param>
    /// <param name="operation">The operation.</param>
    /// <param name="key">The key, by name or alias; <see langword="null" /> for an operation without one.</param>
    /// <param name="context">The encryption context; by default none.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The decision.</returns>
    public Task<LocalKmsDecision> SimulateAsync(
        string principal,
        LocalKmsOperation operation,
        string? key = null,
        EncryptionContext? context = null,
        CancellationToken cancellationToken = default)
    {
        PrincipalName.Validate(principal);
        return _gate.ReadAsync(
            _call(key),
            async (db, root, subject, token) =>
            {
                subject.Detail = $"simulate {operation} by {principal}";
                var reader = new AccessReader(db, root, _file);
                PrincipalRow? row = null;
                if (principal != PrincipalName.Root)
                {
                    row = await reader.FindPrincipalAsync(principal, token).ConfigureAwait(false)
                        ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsAccessMessages.NoPrincipal(_file, principal));
                }

                var keys = await reader.KeyNamesAsync(key, subject, token).ConfigureAwait(false);
                var request = new AccessRequest(principal, operation, keys, context ?? EncryptionContext.Empty);
                return await _control.DecideAsync(reader, row, request, token).ConfigureAwait(false);
            },
            cancellationToken);
    }

    private static void Validate(string name)
    {
        PrincipalName.Validate(name);
        if (name == PrincipalName.Root)
            throw new ArgumentException(LocalKmsAccessMessages.ReservedName(), nameof(name));
    }

    private Task SetDisabledAsync(string verb, string name, bool disabled, CancellationToken cancellationToken)
    {
        Validate(name);
        return WriteAsync(
            $"{verb} principal {name}", (db, root, token) => _administration.SetDisabledAsync(db, root, name, disabled, token), cancellationToken);
    }

    private Task WriteAsync(string detail, Func<KmsSession, RootKey, CancellationToken, Task> work, CancellationToken cancellationToken)
        => WriteAsync(
            detail,
            async (db, root, token) =>
            {
                await work(db, root, token).ConfigureAwait(false);
                return true;
            },
            cancellationToken);

    private Task<T> WriteAsync<T>(string detail, Func<KmsSession, RootKey, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
        => _gate.WriteAsync(
            _call(null),
            (db, root, subject, token) =>
            {
                subject.Detail = detail;
                return work(db, root, token);
            },
            cancellationToken);

    private Task<T> ReadAsync<T>(string detail, Func<KmsSession, RootKey, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
        => _gate.ReadAsync(
            _call(null),
            (db, root, subject, token) =>
            {
                subject.Detail = detail;
                return work(db, root, token);
            },
            cancellationToken);
}
