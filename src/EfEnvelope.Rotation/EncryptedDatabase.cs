using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace EfEnvelope.Rotation;

/// <summary>
/// A database with encrypted columns, seen from outside the application: its keys, its jobs, and what is stored in it. Everything is driven by the encryption
/// map in the database itself; no entity type and no context of the application is needed. Safe for concurrent use.
/// </summary>
public sealed class EncryptedDatabase : IAsyncDisposable
{
    private readonly DatabaseSource _source;

    private EncryptedDatabase(DatabaseSource source)
    {
        _source = source;
        Keys = new KeyAdministration(source);
        Jobs = new JobEngine(source, Keys);
        Scans = new EnvelopeScans(source, Keys);
    }

    /// <summary>Gets what can be done with keys.</summary>
    public KeyAdministration Keys { get; }

    /// <summary>Gets the job engine.</summary>
    public JobEngine Jobs { get; }

    /// <summary>Gets what looks at stored values.</summary>
    public EnvelopeScans Scans { get; }

    internal bool SkipsCompareAndSet
    {
        get => _source.SkipsCompareAndSet;
        set => _source.SkipsCompareAndSet = value;
    }

    internal Func<Task>? BeforeWrite
    {
        get => _source.BeforeWrite;
        set => _source.BeforeWrite = value;
    }

    /// <summary>Opens a database by the same calls that configure a context of the application.</summary>
    /// <param name="configure">Calls a provider, such as <c>UseNpgsql(…)</c>, then <c>UseEnvelopeEncryption(…)</c> with a KMS.</param>
    /// <param name="schema">The schema of the <c>__Envelope…</c> tables, or <see langword="null" /> for the database's own default.</param>
    /// <returns>The database; nothing is connected yet.</returns>
    /// <exception cref="EnvelopeConfigurationException">No provider, a provider that is not known, or no encryption was configured.</exception>
    public static EncryptedDatabase Open(Action<DbContextOptionsBuilder> configure, string? schema = null)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var builder = new DbContextOptionsBuilder();
        configure(builder);
        return Open(builder.Options, schema);
    }

    /// <summary>Opens the database that a context of the application uses, with its provider, its KMS and its options.</summary>
    /// <param name="options">The options of that context.</param>
    /// <param name="schema">The schema of the <c>__Envelope…</c> tables, or <see langword="null" /> for the database's own default.</param>
    /// <returns>The database; nothing is connected yet.</returns>
    /// <exception cref="EnvelopeConfigurationException">No provider, a provider that is not known, or no encryption was configured.</exception>
    public static EncryptedDatabase Open(DbContextOptions options, string? schema = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new EncryptedDatabase(new DatabaseSource(options, schema));
    }

    /// <summary>Opens the database of a context, with its provider, its KMS, its options and its schema.</summary>
    /// <param name="context">The context; it is not needed any longer when this returns.</param>
    /// <returns>The database; nothing is connected yet.</returns>
    /// <exception cref="EnvelopeConfigurationException">No encryption was configured, or the context was given an open connection that cannot be shared.</exception>
    public static EncryptedDatabase Open(DbContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Open((DbContextOptions)context.GetService<IDbContextOptions>(), EnvelopeTables.FindSchema(context.Model));
    }

    /// <summary>Reads the encryption map.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The map; empty when the database has none yet.</returns>
    public async Task<EncryptionMap> ReadMapAsync(CancellationToken cancellationToken = default)
    {
        var session = await _source.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
            return await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Drops the keys and the clients of the KMS.</summary>
    /// <returns>A task that ends when that is done.</returns>
    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
