using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Engine;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Rotation.Sql;

/// <summary>How a database is reached: as many connections as are asked for, and the key rings beside its rows.</summary>
internal sealed class DatabaseSource : IAsyncDisposable
{
    private readonly DbContextOptions _options;
    private readonly string? _schema;
    private readonly EnvelopeRuntime _runtime;

    public DatabaseSource(DbContextOptions options, string? schema)
    {
        var provider = options.Extensions.OfType<RelationalOptionsExtension>().SingleOrDefault()
            ?? throw new EnvelopeConfigurationException(RotationMessages.NoProvider());
        var envelope = options.FindExtension<EnvelopeOptionsExtension>() ?? throw new EnvelopeConfigurationException(RotationMessages.NoEncryption());
        envelope.Configuration.Validate();
        if (provider.Connection is { } connection)
        {
            provider = connection is ICloneable clone
                ? provider.WithConnection((DbConnection)clone.Clone(), owned: true)
                : throw new EnvelopeConfigurationException(RotationMessages.ConnectionNotShareable());
        }

        RequireShared(provider);
        var builder = new DbContextOptionsBuilder<RotationContext>();
        ((IDbContextOptionsBuilderInfrastructure)builder).AddOrUpdateExtension(provider.WithExecutionStrategyFactory(null));
        builder.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        builder.ReplaceService<IModelCacheKeyFactory, RotationContext.SchemaCacheKeyFactory>();
        (_options, _schema, Options, TimeProvider) = (builder.Options, schema, envelope.Configuration.Options, envelope.Configuration.TimeProvider);
        _runtime = new EnvelopeRuntime(envelope.Configuration);
        _runtime.Loggers.Follow(options);
    }

    public EnvelopeOptions Options { get; }

    public TimeProvider TimeProvider { get; }

    /// <summary>Gets or sets whether rows are written without looking whether they still hold what was read: for the test that this is noticed.</summary>
    public bool SkipsCompareAndSet { get; set; }

    /// <summary>Gets or sets what is awaited before each batch is written: for tests of races.</summary>
    public Func<Task>? BeforeWrite { get; set; }

    public KeyRingCache Rings => _runtime.Rings;

    // A SQLite database in the memory of one connection would be another, empty one for each worker.
    private static void RequireShared(RelationalOptionsExtension provider)
    {
        if (provider.GetType().Assembly.GetName().Name != "Microsoft.EntityFrameworkCore.Sqlite" || (provider.ConnectionString ?? provider.Connection?.ConnectionString) is not { } text)
            return;
        var parts = new DbConnectionStringBuilder { ConnectionString = text };
        string? Find(params string[] names) => names.Select(n => parts.TryGetValue(n, out var value) ? Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture) : null).FirstOrDefault(v => v is not null);
        var file = Find("Data Source", "DataSource", "Filename") ?? "";
        if (file.Length == 0 || (string.Equals(Find("Cache"), "Shared", StringComparison.OrdinalIgnoreCase) is false
            && (file == ":memory:" || string.Equals(Find("Mode"), "Memory", StringComparison.OrdinalIgnoreCase))))
            throw new EnvelopeConfigurationException(RotationMessages.PrivateDatabase());
    }

    /// <summary>Opens a connection of its own; the caller disposes it.</summary>
    public async ValueTask<Session> OpenAsync(CancellationToken cancellationToken)
    {
        var context = new RotationContext((DbContextOptions<RotationContext>)_options, _schema);
        try
        {
            var session = new Session(context, _schema);
            await context.Database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            await session.Dialect.PrepareAsync(session, cancellationToken).ConfigureAwait(false);
            return session;
        }
        catch (Exception e)
        {
            await context.DisposeAsync().ConfigureAwait(false);
            if (e is DbException or InvalidOperationException or TimeoutException)
                throw new KeyUnavailableException(RotationMessages.DatabaseUnreachable(), e);
            throw;
        }
    }

    /// <summary>Does something over a connection of its own, and tells a database that fails apart from one that refuses.</summary>
    public async Task<T> UseAsync<T>(Func<Session, Task<T>> work, CancellationToken cancellationToken)
    {
        var session = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            try
            {
                return await work(session).ConfigureAwait(false);
            }
            catch (DbException e)
            {
                throw Outages.IsLockWait(e)
                    ? new OperationRefusedException(RotationMessages.TransactionOpen(), e)
                    : session.Dialect.IsTransient(e)
                    ? new KeyUnavailableException(
                        Outages.IsOverdue(e) ? RotationMessages.StatementOverdue() : RotationMessages.DatabaseUnreachable(), e)
                    : new OperationRefusedException(RotationMessages.DatabaseRefusedCommand(session.Dialect.CodeOf(e)), e);
            }
        }
    }

    /// <summary>Opens a connection for the key store; what it returns is disposed with the session.</summary>
    public IKeyStore StoreOf(Session session) => new EfKeyStore(new KeyStoreConnection(session.Context));

    public KeyRingSlot FindSlot(Session session, KeyScope scope) => Rings.GetSlot(new KeyStoreConnection(session.Context).Identity, scope);

    public ValueTask DisposeAsync()
    {
        _runtime.Dispose();
        return ValueTask.CompletedTask;
    }
}
