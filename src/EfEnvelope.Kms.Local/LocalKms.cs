using System.Diagnostics;
using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Audit;
using EfEnvelope.Kms.Local.Keks;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Local;

/// <summary>
/// An embedded KMS: keys with versions in one SQLite file, or in a database of a server, sealed by a passphrase, a key file or another KMS. This is the
/// hand of its administrator; an application only calls <c>UseLocalKms(…)</c>.
/// </summary>
/// <remarks>
/// <para>
/// Safe for concurrent use, by several threads, processes and nodes on one store. Every change is one durable transaction. The
/// store is opened, and its seal derived, at the first call and not before; a call that fails to open it leaves nothing behind. A file of an earlier
/// format is upgraded when it is opened; earlier versions of EfEnvelope refuse it then.
/// </para>
/// <para>
/// Every call may throw <see cref="KmsException" />: <see cref="KmsErrorKind.NotFound" /> when the store, the key or the version is
/// missing, or the key was deleted; <see cref="KmsErrorKind.PendingDeletion" /> and <see cref="KmsErrorKind.Disabled" /> when the key may not be used;
/// <see cref="KmsErrorKind.Unauthenticated" /> when the seal is missing or another one;
/// <see cref="KmsErrorKind.InvalidRequest" /> when the store is no KMS, or of a later format;
/// <see cref="KmsErrorKind.InvalidCiphertext" /> when it is one and is damaged or was altered;
/// <see cref="KmsErrorKind.AccessDenied" /> when the store may not be opened; <see cref="KmsErrorKind.Unavailable" /> when a file stays
/// busy for longer than the connection string's <c>Default Timeout</c> (30 seconds), or the disk or the server fails.
/// </para>
/// <para>
/// Not promised: who can write the store without its seal cannot read or forge a key, nor change its state, its versions or its aliases unnoticed, but
/// can remove rows, put back whole earlier ones, such as that of a key before it was disabled, and alter tags and descriptions. Guard the store as you
/// guard the data.
/// </para>
/// </remarks>
public sealed partial class LocalKms : IDisposable, IAsyncDisposable
{
    // Each event holds the context, also of a call that is denied: nobody fills the trail by one call.
    private const int MaximumContextSize = 64 * 1024;

    private readonly KmsStore _store;
    private readonly KmsOpener _opener;
    private readonly KmsGate _gate;
    private readonly KeyParts _keys;
    private readonly SealChange _seals;
    private readonly AccessControl _access;
    private readonly AuditTrail _trail;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private readonly LocalKmsCredential? _caller;
    private readonly string? _correlationId;
    private readonly bool _isView;
    private readonly bool _isSynchronous;

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

    /// <summary>Names a KMS in a database of a server, for several nodes. Opens and creates nothing yet.</summary>
    /// <param name="store">
    /// Names the database, such as <c>store => store.UseNpgsql(connectionString)</c>, on PostgreSQL or SQL Server. The tables of the KMS, all called
    /// <c>kms_…</c>, lie in the default schema of the connection, beside whatever else is there.
    /// </param>
    /// <param name="seal">What opens the KMS; on each node the same, or any other of its seals.</param>
    /// <param name="timeProvider">The clock; by default the system's. Those of the nodes must agree as well as rotations and deletions are to.</param>
    /// <param name="loggerFactory">Where it logs; by default nowhere. Names and versions are logged, never keys.</param>
    /// <exception cref="ArgumentException">The database is of another provider.</exception>
    public LocalKms(
        Action<DbContextOptionsBuilder> store, LocalKmsSeal seal, TimeProvider? timeProvider = null, ILoggerFactory? loggerFactory = null)
        : this(new ServerPlace(store), seal, timeProvider, loggerFactory)
    {
    }

    internal LocalKms(StorePlace place, LocalKmsSeal seal, TimeProvider? timeProvider, ILoggerFactory? loggerFactory)
    {
        ArgumentNullException.ThrowIfNull(seal);
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("EfEnvelope.Kms.Local");
        _timeProvider = timeProvider ?? TimeProvider.System;
        _store = new KmsStore(place);
        _opener = new KmsOpener(_store, seal, _timeProvider, _logger);
        (_access, _trail) = (new AccessControl(_store.Path, _timeProvider), new AuditTrail(_store, _timeProvider));
        _gate = new KmsGate(_store, _opener, _access, _trail);
        _keys = new KeyParts(new KeyGuard(_store, _timeProvider), _logger);
        _seals = new SealChange(_store, _timeProvider);
    }

    // The same KMS, seen by one caller. Disposing a view does nothing.
    private LocalKms(LocalKms kms, LocalKmsCredential? caller, string? correlationId, bool isView, bool isSynchronous = false)
    {
        (_store, _opener, _gate, _keys, _seals, _timeProvider, _logger)
            = (kms._store, kms._opener, kms._gate, kms._keys, kms._seals, kms._timeProvider, kms._logger);
        (_access, _trail) = (kms._access, kms._trail);
        (_caller, _correlationId, _isView, _isSynchronous) = (caller, correlationId, isView, isSynchronous);
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

    /// <summary>Returns the seam through which one KEK, which must exist when it wraps, is used.</summary>
    /// <param name="name">The KEK.</param>
    /// <returns>A key wrapper with the KEK URI <c>local:name</c>. It works as long as this KMS is not disposed.</returns>
    /// <exception cref="ArgumentException">The name is malformed.</exception>
    public IKeyWrapper GetKeyWrapper(string name) => new LocalKeyWrapper(this, name, create: false, ownsKms: false);

    /// <summary>Zeroes the keys in memory and releases the file, which is held open for a moment after a call.</summary>
    public void Dispose()
    {
        if (_isView)
            return;
        _opener.Dispose();
        _store.Place.Release();
    }

    /// <summary>Zeroes the keys in memory and releases the file, which is held open for a moment after a call.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc />
    public override string ToString() => $"LocalKms({StoreName})";


    // What is done on behalf of the caller, and under which correlation id: the given one, or that of the current trace.
    private KmsCall Call(LocalKmsOperation operation, string? key = null, EncryptionContext? context = null)
        => context?.AssociatedData.Length > MaximumContextSize
            ? throw new KmsException(
                KmsErrorKind.InvalidRequest, LocalKmsMessages.ContextLength(context.AssociatedData.Length, MaximumContextSize))
            : new KmsCall(operation, key, context, _caller, _correlationId ?? Activity.Current?.TraceId.ToString(), _isSynchronous);

    private Task OpenAsync(bool create, CancellationToken cancellationToken) => KmsGate.GuardAsync(
        _store,
        async () => await _opener.OpenAsync(create, _isSynchronous, cancellationToken).ConfigureAwait(false)
            ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKms(StoreName)));
}
