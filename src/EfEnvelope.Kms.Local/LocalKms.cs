using System.Diagnostics;
using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Audit;
using EfEnvelope.Kms.Local.Keks;
using EfEnvelope.Kms.Local.Operations;
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
public sealed partial class LocalKms : IDisposable, IAsyncDisposable
{
    private readonly KmsStore _store;
    private readonly KmsOpener _opener;
    private readonly KmsGate _gate;
    private readonly KekAdministration _administration;
    private readonly KekWrapping _wrapping;
    private readonly AccessControl _access;
    private readonly AuditTrail _trail;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private readonly LocalKmsCredential? _caller;
    private readonly string? _correlationId;
    private readonly bool _isView;

    /// <summary>Names a KMS. Opens and creates nothing yet.</summary>
    /// <param name="connectionString">
    /// A SQLite connection string of which <c>Data Source</c>, a path, and <c>Default Timeout</c>, in seconds, are used.
    /// </param>
    /// <param name="seal">What opens the file.</param>
    /// <param name="timeProvider">The clock; by default the system's.</param>
    /// <param name="loggerFactory">Where it logs; by default nowhere. Names and versions are logged, never keys.</param>
    /// <exception cref="ArgumentException">The connection string does not name a file.</exception>
    public LocalKms(string connectionString, LocalKmsSeal seal, TimeProvider? timeProvider = null, ILoggerFactory? loggerFactory = null)
        : this(new FilePlace(LocalKmsFile.Parse(connectionString)), seal, timeProvider, loggerFactory)
    {
    }

    internal LocalKms(StorePlace place, LocalKmsSeal seal, TimeProvider? timeProvider, ILoggerFactory? loggerFactory)
    {
        ArgumentNullException.ThrowIfNull(seal);
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("EfEnvelope.Kms.Local");
        timeProvider ??= TimeProvider.System;
        _store = new KmsStore(place);
        _opener = new KmsOpener(_store, seal, timeProvider, _logger);
        (_access, _trail, _timeProvider) = (new AccessControl(_store.Path, timeProvider), new AuditTrail(_store, timeProvider), timeProvider);
        _gate = new KmsGate(_store, _opener, _access, _trail);
        _administration = new KekAdministration(_store, timeProvider);
        _wrapping = new KekWrapping(_store, _logger);
    }

    // The same KMS, seen by one caller. Disposing it does nothing.
    private LocalKms(LocalKms kms, LocalKmsCredential? caller, string? correlationId)
    {
        (_store, _opener, _gate, _administration, _wrapping, _logger)
            = (kms._store, kms._opener, kms._gate, kms._administration, kms._wrapping, kms._logger);
        (_access, _trail, _timeProvider) = (kms._access, kms._trail, kms._timeProvider);
        (_caller, _correlationId, _isView) = (caller, correlationId, true);
    }

    /// <summary>Gets the full path of the file; <see langword="null" /> when the store is a database of a server.</summary>
    public string? FilePath => _store.Place.FilePath;

    /// <summary>Gets what messages call the store: the full path of the file, or the server and the database. It holds no credential.</summary>
    public string StoreName => _store.Path;

    /// <summary>
    /// Makes the file, outside Windows with mode 0600, if there is none; in either case opens it. Its directory must exist.
    /// </summary>
    /// <param name="cancellationToken">Cancels the wait; a file that is being made is finished.</param>
    public Task CreateAsync(CancellationToken cancellationToken = default)
        => OpenAsync(create: true, cancellationToken);

    /// <summary>Opens the file, which must exist: so that a wrong seal is known now rather than at the first use.</summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public Task OpenAsync(CancellationToken cancellationToken = default)
        => OpenAsync(create: false, cancellationToken);

    /// <summary>Makes a KEK with version 1. A key of that name which exists already is left as it is.</summary>
    /// <param name="name">1 to 200 letters, digits and <c>. _ / -</c>, starting with a letter or digit. Case matters.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key that is there now.</returns>
    public async Task<LocalKmsKey> CreateKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        KekName.Validate(name);
        var (key, created) = await _gate.WriteAsync(
            Call(LocalKmsOperation.CreateKey, name),
            (db, root, subject, token) => _administration.CreateAsync(db, root, subject, name, token),
            cancellationToken).ConfigureAwait(false);
        if (created)
            LocalKmsLog.KekCreated(_logger, name, StoreName);
        return key;
    }

    /// <summary>Adds a version to a KEK, which wraps from now on. Earlier versions still unwrap what they wrapped.</summary>
    /// <param name="name">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key with its new version. Two rotations at once add two versions.</returns>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.Disabled" />: the key is disabled.</exception>
    public async Task<LocalKmsKey> RotateKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        var key = await _gate.WriteAsync(
            Call(LocalKmsOperation.RotateKey, name),
            (db, root, subject, token) => _administration.RotateAsync(db, root, subject, name, token),
            cancellationToken).ConfigureAwait(false);
        LocalKmsLog.KekRotated(_logger, name, StoreName, key.PrimaryVersion);
        return key;
    }

    /// <summary>Lists all KEKs in the order of their names.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The keys with their versions.</returns>
    public Task<IReadOnlyList<LocalKmsKey>> ListKeysAsync(CancellationToken cancellationToken = default)
        => _gate.ReadAsync(
            Call(LocalKmsOperation.ListKeys), (db, root, _, token) => _administration.ListAsync(db, root, token), cancellationToken);

    /// <summary>Describes a KEK.</summary>
    /// <param name="name">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key with its versions.</returns>
    public Task<LocalKmsKey> DescribeKeyAsync(string name, CancellationToken cancellationToken = default)
        => _gate.ReadAsync(
            Call(LocalKmsOperation.DescribeKey, name),
            (db, root, subject, token) => _administration.DescribeAsync(db, root, subject, name, token),
            cancellationToken);

    /// <summary>Lets a KEK be used again. No change if it is enabled.</summary>
    /// <param name="name">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    public async Task<LocalKmsKey> EnableKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        var (key, changed) = await _gate.WriteAsync(
            Call(LocalKmsOperation.EnableKey, name),
            (db, root, subject, token) => _administration.SetStateAsync(db, root, subject, name, KeyStates.Enabled, token),
            cancellationToken).ConfigureAwait(false);
        if (changed)
            LocalKmsLog.KekEnabled(_logger, name, StoreName);
        return key;
    }

    /// <summary>Forbids a KEK, in every process, to wrap and to unwrap, until it is enabled again. No change if it is disabled.</summary>
    /// <param name="name">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    /// <remarks>Data keys that a process has already unwrapped stay in its memory until its key ring is read again.</remarks>
    public async Task<LocalKmsKey> DisableKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        var (key, changed) = await _gate.WriteAsync(
            Call(LocalKmsOperation.DisableKey, name),
            (db, root, subject, token) => _administration.SetStateAsync(db, root, subject, name, KeyStates.Disabled, token),
            cancellationToken).ConfigureAwait(false);
        if (changed)
            LocalKmsLog.KekDisabled(_logger, name, StoreName);
        return key;
    }

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
    public async Task<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        ArgumentNullException.ThrowIfNull(context);
        if (!KekName.TryGet(wrapped.Kek, out var name))
            throw new KmsException(KmsErrorKind.WrongKey, LocalKmsMessages.ForeignKek(wrapped.Kek.ToString()));
        return await _gate.ReadAsync(
            Call(LocalKmsOperation.Unwrap, name, context),
            (db, root, subject, token) => _wrapping.UnwrapAsync(db, root, subject, name, wrapped, context, token),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Returns the seam through which one KEK, which must exist when it wraps, is used.</summary>
    /// <param name="name">The KEK.</param>
    /// <returns>A key wrapper with the KEK URI <c>local:name</c>. It works as long as this KMS is not disposed.</returns>
    /// <exception cref="ArgumentException">The name is malformed.</exception>
    public IKeyWrapper GetKeyWrapper(string name) => new LocalKeyWrapper(this, name, create: false, ownsKms: false);

    /// <summary>Zeroes the keys in memory. The file is not held open between calls.</summary>
    public void Dispose()
    {
        if (!_isView)
            _opener.Dispose();
    }

    /// <summary>Zeroes the keys in memory. The file is not held open between calls.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc />
    public override string ToString() => $"LocalKms({StoreName})";

    internal async Task<WrappedKeyCopy> WrapAsync(
        string name, ReadOnlyMemory<byte> key, EncryptionContext context, bool create, CancellationToken cancellationToken)
    {
        KekName.Validate(name);
        ArgumentNullException.ThrowIfNull(context);
        if (key.Length is < WrappedBytes.MinimumKeySize or > WrappedBytes.MaximumKeySize)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyLength(key.Length));
        if (create)
            await OpenAsync(create: true, cancellationToken).ConfigureAwait(false);
        var wrapped = await TryWrapAsync().ConfigureAwait(false);
        if (wrapped is null && create)
        {
            await CreateKeyAsync(name, cancellationToken).ConfigureAwait(false);
            wrapped = await TryWrapAsync().ConfigureAwait(false);
        }

        return wrapped ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(StoreName, name));

        Task<WrappedKeyCopy?> TryWrapAsync() => _gate.ReadAsync(
            Call(LocalKmsOperation.Wrap, name, context),
            (db, root, subject, token) => _wrapping.TryWrapAsync(db, root, subject, name, key, context, token),
            cancellationToken);
    }

    // What is done on behalf of the caller, and under which correlation id: the given one, or that of the current trace.
    private KmsCall Call(LocalKmsOperation operation, string? key = null, EncryptionContext? context = null)
        => new(operation, key, context, _caller, _correlationId ?? Activity.Current?.TraceId.ToString());

    private Task OpenAsync(bool create, CancellationToken cancellationToken) => KmsGate.GuardAsync(
        _store,
        async () => await _opener.OpenAsync(create, cancellationToken).ConfigureAwait(false)
            ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKms(StoreName)));
}
