using System.Transactions;
using EfEnvelope.Kms.Local.Keks;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Local;

/// <summary>
/// An embedded KMS: KEKs with versions in one SQLite file, sealed by a passphrase or a key file. This is the hand of its
/// administrator; an application only calls <c>UseLocalKms(…)</c>.
/// </summary>
/// <remarks>
/// <para>
/// Safe for concurrent use, by several threads and by several processes on one file. Every change is one durable transaction. The
/// file is opened, and its seal derived, at the first call and not before; a call that fails to open it leaves nothing behind.
/// </para>
/// <para>
/// Every call may throw <see cref="KmsException" />: <see cref="KmsErrorKind.NotFound" /> when the file, the key or the version is
/// missing; <see cref="KmsErrorKind.Unauthenticated" /> when the seal is missing or another one;
/// <see cref="KmsErrorKind.InvalidRequest" /> when the file is no KMS, or of a later format;
/// <see cref="KmsErrorKind.InvalidCiphertext" /> when it is one and is damaged or was altered;
/// <see cref="KmsErrorKind.AccessDenied" /> when the file may not be opened; <see cref="KmsErrorKind.Unavailable" /> when it stays
/// busy for longer than the connection string's <c>Default Timeout</c> (30 seconds), or the disk fails.
/// </para>
/// <para>
/// Not promised: who can write the file without its seal cannot read or forge a key, but can put back an earlier state of it, such
/// as enabling a key again. Guard the file as you guard the data.
/// </para>
/// </remarks>
public sealed class LocalKms : IDisposable, IAsyncDisposable
{
    private readonly KmsStore _store;
    private readonly KmsOpener _opener;
    private readonly KekAdministration _administration;
    private readonly KekWrapping _wrapping;

    /// <summary>Names a KMS. Opens and creates nothing yet.</summary>
    /// <param name="connectionString">
    /// A SQLite connection string of which <c>Data Source</c>, a path, and <c>Default Timeout</c>, in seconds, are used.
    /// </param>
    /// <param name="seal">What opens the file.</param>
    /// <param name="timeProvider">The clock; by default the system's.</param>
    /// <param name="loggerFactory">Where it logs; by default nowhere. Names and versions are logged, never keys.</param>
    /// <exception cref="ArgumentException">The connection string does not name a file.</exception>
    public LocalKms(string connectionString, LocalKmsSeal seal, TimeProvider? timeProvider = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(seal);
        var logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("EfEnvelope.Kms.Local");
        timeProvider ??= TimeProvider.System;
        _store = new KmsStore(LocalKmsFile.Parse(connectionString));
        _opener = new KmsOpener(_store, seal, timeProvider, logger);
        _administration = new KekAdministration(_store, timeProvider, logger);
        _wrapping = new KekWrapping(_store, logger);
    }

    /// <summary>Gets the full path of the file.</summary>
    public string FilePath => _store.Path;

    /// <summary>
    /// Makes the file, outside Windows with mode 0600, if there is none; in either case opens it. Its directory must exist.
    /// </summary>
    /// <param name="cancellationToken">Cancels the wait; a file that is being made is finished.</param>
    public Task CreateAsync(CancellationToken cancellationToken = default)
        => RunAsync(() => _opener.OpenAsync(create: true, cancellationToken));

    /// <summary>Opens the file, which must exist: so that a wrong seal is known now rather than at the first use.</summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public Task OpenAsync(CancellationToken cancellationToken = default)
        => RunAsync(() => OpenRootAsync(cancellationToken));

    /// <summary>Makes a KEK with version 1. A key of that name which exists already is left as it is.</summary>
    /// <param name="name">1 to 200 letters, digits and <c>. _ / -</c>, starting with a letter or digit. Case matters.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key that is there now.</returns>
    public Task<LocalKmsKey> CreateKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        KekName.Validate(name);
        return RunAsync(async () =>
        {
            var root = await OpenRootAsync(cancellationToken).ConfigureAwait(false);
            return await _administration.CreateAsync(root, name, cancellationToken).ConfigureAwait(false);
        });
    }

    /// <summary>Adds a version to a KEK, which wraps from now on. Earlier versions still unwrap what they wrapped.</summary>
    /// <param name="name">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key with its new version. Two rotations at once add two versions.</returns>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.Disabled" />: the key is disabled.</exception>
    public Task<LocalKmsKey> RotateKeyAsync(string name, CancellationToken cancellationToken = default)
        => RunAsync(async () =>
        {
            var root = await OpenRootAsync(cancellationToken).ConfigureAwait(false);
            return await _administration.RotateAsync(root, name, cancellationToken).ConfigureAwait(false);
        });

    /// <summary>Lists all KEKs in the order of their names.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The keys with their versions.</returns>
    public Task<IReadOnlyList<LocalKmsKey>> ListKeysAsync(CancellationToken cancellationToken = default)
        => RunAsync(async () =>
        {
            await OpenRootAsync(cancellationToken).ConfigureAwait(false);
            return await _administration.ListAsync(cancellationToken).ConfigureAwait(false);
        });

    /// <summary>Describes a KEK.</summary>
    /// <param name="name">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key with its versions.</returns>
    public Task<LocalKmsKey> DescribeKeyAsync(string name, CancellationToken cancellationToken = default)
        => RunAsync(async () =>
        {
            await OpenRootAsync(cancellationToken).ConfigureAwait(false);
            return await _administration.DescribeAsync(name, cancellationToken).ConfigureAwait(false);
        });

    /// <summary>Lets a KEK be used again. No change if it is enabled.</summary>
    /// <param name="name">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    public Task<LocalKmsKey> EnableKeyAsync(string name, CancellationToken cancellationToken = default)
        => RunAsync(async () =>
        {
            await OpenRootAsync(cancellationToken).ConfigureAwait(false);
            return await _administration.EnableAsync(name, cancellationToken).ConfigureAwait(false);
        });

    /// <summary>Forbids a KEK, in every process, to wrap and to unwrap, until it is enabled again. No change if it is disabled.</summary>
    /// <param name="name">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    /// <remarks>Data keys that a process has already unwrapped stay in its memory until its key ring is read again.</remarks>
    public Task<LocalKmsKey> DisableKeyAsync(string name, CancellationToken cancellationToken = default)
        => RunAsync(async () =>
        {
            await OpenRootAsync(cancellationToken).ConfigureAwait(false);
            return await _administration.DisableAsync(name, cancellationToken).ConfigureAwait(false);
        });

    /// <summary>Wraps a key under the primary version of a KEK, which must exist.</summary>
    /// <param name="name">The KEK.</param>
    /// <param name="key">The plaintext key, 16 to 64 bytes.</param>
    /// <param name="context">Pairs that are bound to the wrapped key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The wrapped key, 49 bytes longer than the key, with the KEK's version in decimal.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidRequest" />: the length of the key. <see cref="KmsErrorKind.Disabled" />: the KEK is disabled.
    /// </exception>
    public Task<WrappedKeyCopy> WrapAsync(
        string name, ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => WrapAsync(name, key, context, create: false, cancellationToken);

    /// <summary>Unwraps a key under the KEK and version that wrapped it. Never creates a file or a key.</summary>
    /// <param name="wrapped">What was returned when it was wrapped.</param>
    /// <param name="context">The same pairs that were given then.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plaintext key. The caller owns the array and zeroes it.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidCiphertext" />: the wrapped key was altered or the context differs.
    /// <see cref="KmsErrorKind.WrongKey" />: it was wrapped by another key than the one of that name in this file.
    /// <see cref="KmsErrorKind.Disabled" />: the KEK is disabled.
    /// </exception>
    public Task<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        ArgumentNullException.ThrowIfNull(context);
        return RunAsync(async () =>
        {
            if (!KekName.TryGet(wrapped.Kek, out var name))
                throw new KmsException(KmsErrorKind.WrongKey, LocalKmsMessages.ForeignKek(wrapped.Kek.ToString()));
            var root = await _opener.OpenAsync(create: false, cancellationToken).ConfigureAwait(false)
                ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKmsForUnwrap(FilePath, name));
            return await _wrapping.UnwrapAsync(root, name, wrapped, context, cancellationToken).ConfigureAwait(false);
        });
    }

    /// <summary>Returns the seam through which one KEK, which must exist when it wraps, is used.</summary>
    /// <param name="name">The KEK.</param>
    /// <returns>A key wrapper with the KEK URI <c>local:name</c>. It works as long as this KMS is not disposed.</returns>
    /// <exception cref="ArgumentException">The name is malformed.</exception>
    public IKeyWrapper GetKeyWrapper(string name) => new LocalKeyWrapper(this, name, create: false, ownsKms: false);

    /// <summary>Zeroes the keys in memory. The file is not held open between calls.</summary>
    public void Dispose() => _opener.Dispose();

    /// <summary>Zeroes the keys in memory. The file is not held open between calls.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc />
    public override string ToString() => $"LocalKms({FilePath})";

    internal Task<WrappedKeyCopy> WrapAsync(
        string name, ReadOnlyMemory<byte> key, EncryptionContext context, bool create, CancellationToken cancellationToken)
    {
        KekName.Validate(name);
        ArgumentNullException.ThrowIfNull(context);
        return RunAsync(async () =>
        {
            if (key.Length is < WrappedBytes.MinimumKeySize or > WrappedBytes.MaximumKeySize)
                throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyLength(key.Length));
            var root = await _opener.OpenAsync(create, cancellationToken).ConfigureAwait(false)
                ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKms(FilePath));
            var wrapped = await _wrapping.TryWrapAsync(root, name, key, context, cancellationToken).ConfigureAwait(false);
            if (wrapped is null && create)
            {
                await _administration.CreateAsync(root, name, cancellationToken).ConfigureAwait(false);
                wrapped = await _wrapping.TryWrapAsync(root, name, key, context, cancellationToken).ConfigureAwait(false);
            }

            return wrapped ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(FilePath, name));
        });
    }

    private async Task<RootKey> OpenRootAsync(CancellationToken cancellationToken)
        => await _opener.OpenAsync(create: false, cancellationToken).ConfigureAwait(false)
            ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKms(FilePath));

    // The one gate out: whatever happens below leaves as a KmsException. The ambient transaction is the application's; a KMS must
    // not be rolled back with it.
    private async Task<T> RunAsync<T>(Func<Task<T>> work)
    {
        using var apart = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (KmsException or OperationCanceledException or ObjectDisposedException))
        {
            throw StoreErrors.Map(e, FilePath);
        }
    }
}
