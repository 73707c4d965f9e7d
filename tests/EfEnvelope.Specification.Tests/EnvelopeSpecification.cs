using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>The base of all specifications: a database of the provider under test, a KMS, and contexts that use both.</summary>
/// <param name="database">The database under test.</param>
/// <param name="kms">A KMS to share with other tests, or <see langword="null" /> for one of its own.</param>
public abstract class EnvelopeSpecification(TestDatabase database, TestKms? kms = null) : IAsyncLifetime
{
    protected TestDatabase Database { get; } = database;

    protected TestKms Kms { get; } = kms ?? new TestKms();

    public virtual async ValueTask InitializeAsync() => await Database.CreateAsync();

    public virtual async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes options for a context over the database and the KMS.</summary>
    protected DbContextOptions<TContext> Options<TContext>(Action<EnvelopeOptionsBuilder>? envelope = null)
        where TContext : DbContext
        => ((DbContextOptionsBuilder<TContext>)Database.UseProvider(new DbContextOptionsBuilder<TContext>()))
            .UseEnvelopeEncryption(
                e =>
                {
                    e.UseKms(Kms);
                    envelope?.Invoke(e);
                })
            .EnableSensitiveDataLogging()
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
            .Options;
}
