using EfEnvelope.Keys;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation;

/// <summary>What can be done with keys. Every change is proved before it takes effect, and none touches a row.</summary>
public sealed class KeyAdministration
{
    private readonly DatabaseSource _source;

    internal KeyAdministration(DatabaseSource source) => _source = source;

    /// <summary>Lists the scopes that the key store has.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The scopes, in the order of their names; none when there is no key yet.</returns>
    public Task<IReadOnlyList<KeyScope>> GetScopesAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Lists the versions of a scope. The KMS is not asked.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The versions, in the order of their numbers.</returns>
    public Task<IReadOnlyList<KeyVersionInfo>> ListAsync(KeyScope scope, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Finds the scope that a command means: the one named, or the only one there is.</summary>
    /// <param name="scope">Its name, or <see langword="null" />.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The scope.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such scope, or there are several and none was named.</exception>
    public Task<KeyScope> ResolveScopeAsync(string? scope, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Makes the first key version of a scope, and the tables of EfEnvelope if the database has none.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The version.</returns>
    /// <exception cref="OperationRefusedException">The scope has a version already.</exception>
    /// <exception cref="KeyUnavailableException">The key store or the KMS cannot be reached.</exception>
    public Task<KeyVersion> CreateAsync(KeyScope scope, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Makes a new version, which becomes the primary after a delay. No row changes.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="activationDelay">How long other instances have to load it, or <see langword="null" /> for <see cref="EnvelopeOptions.ActivationDelay" />.</param>
    /// <param name="includeSearch">Whether it also writes what is compared: blind indexes and deterministic values.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The version.</returns>
    /// <exception cref="EnvelopeConfigurationException">The scope is not known, or two versions are live in searches already.</exception>
    /// <exception cref="KeyUnavailableException">The key store or the KMS cannot be reached.</exception>
    public Task<KeyVersion> RotateAsync(
        KeyScope scope, TimeSpan? activationDelay = null, bool includeSearch = false, CancellationToken cancellationToken = default)
        => throw new NotImplementedException();

    /// <summary>Wraps every version of a scope anew, under the KEKs that are configured now. No row changes.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The versions that were rewrapped.</returns>
    /// <exception cref="KeyUnavailableException">The KMS did not unwrap or wrap a version; those before it are rewrapped, it and those after it are as they were.</exception>
    public Task<IReadOnlyList<KeyVersionInfo>> RewrapAsync(KeyScope scope, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Disables a version: what it encrypted cannot be read until it is enabled again.</summary>
    /// <param name="version">The version.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it is stored. Instances obey at their next refresh.</returns>
    /// <exception cref="OperationRefusedException">It is the primary, or live in searches.</exception>
    public Task DisableAsync(KeyVersion version, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Enables a version again, after proving that it unwraps.</summary>
    /// <param name="version">The version.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it is stored.</returns>
    /// <exception cref="KeyDestroyedException">It was destroyed.</exception>
    public Task EnableAsync(KeyVersion version, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Looks for what refers to a version, in every column of the encryption map, by the headers, and retires it if there is nothing.</summary>
    /// <param name="version">The version.</param>
    /// <param name="execute">Whether to retire it; otherwise it is only looked for.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found.</returns>
    /// <exception cref="OperationRefusedException">It is the primary, other instances may still write under it, or a job is running.</exception>
    public Task<RetirementReport> RetireAsync(KeyVersion version, bool execute = true, CancellationToken cancellationToken = default)
        => throw new NotImplementedException();

    /// <summary>Destroys a retired version for good, after looking once more that nothing refers to it.</summary>
    /// <param name="version">The version.</param>
    /// <param name="waitingPeriod">How long ago it must have been retired.</param>
    /// <param name="execute">Whether to destroy it; otherwise it is only checked whether it may be.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found; the version was destroyed if nothing refers to it.</returns>
    /// <exception cref="OperationRefusedException">It is not retired, or not long enough.</exception>
    public Task<RetirementReport> DestroyAsync(
        KeyVersion version, TimeSpan waitingPeriod, bool execute = true, CancellationToken cancellationToken = default)
        => throw new NotImplementedException();
}
