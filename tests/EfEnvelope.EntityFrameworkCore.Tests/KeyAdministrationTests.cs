using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>The life of a key version in a real key table, from its rotation to its destruction.</summary>
public sealed class KeyAdministrationTests : IAsyncLifetime
{
    private static readonly KeyVersion First = new(new KeyScope("default"), 1);
    private static readonly KeyVersion Second = new(new KeyScope("default"), 2);

    private readonly SqliteConnection _connection = new("Data Source=:memory:");
    private readonly TestKms _kms = new();
    private readonly TestKms _next = new("next");

    public async ValueTask InitializeAsync()
    {
        await _connection.OpenAsync();
        await using var context = Create(_kms);
        await context.Database.EnsureCreatedAsync();
        context.Add(new Note { Text = "before" });
        await context.SaveChangesAsync();
        await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    [Fact]
    public async Task Version_is_rewrapped_and_reindexed_and_retired_and_destroyed_and_the_table_tells_all_of_it()
    {
        await using var context = Create(_next, _kms);
        var (administration, store) = Open(context);
        Assert.All(await administration.RewrapAsync(store, First.Scope, CancellationToken.None), k => Assert.True(k.Changed));
        await Task.Delay(TimeSpan.FromMilliseconds(100));
        var at = DateTimeOffset.UtcNow.AddMinutes(-1);
        await administration.SetUniqueFromAsync(store, Second, at, CancellationToken.None);
        await ReencryptAsync(context);

        var retired = await administration.MarkRetiredAsync(store, First, hasComparedColumns: true, CancellationToken.None);
        Assert.Equal(retired.RetiredAt, (await ReadAsync(context))[0].RetiredAt);
        Assert.Equal(at, (await ReadAsync(context))[1].UniqueFrom);
        await using (var other = Create(_next))
        {
            Assert.Equal(["before"], await other.Notes.Select(n => n.Text).ToListAsync());
            other.Add(new Note { Text = "after" });
            await other.SaveChangesAsync();
        }

        await Assert.ThrowsAsync<EnvelopeConfigurationException>(
            () => administration.DestroyAsync(store, First, TimeSpan.FromDays(1), CancellationToken.None).AsTask());
        var destroyed = await administration.DestroyAsync(store, First, TimeSpan.Zero, CancellationToken.None);

        var rows = await ReadAsync(context);
        Assert.Equal((KeyVersionStatus.Destroyed, null, retired.RetiredAt), (rows[0].Status, rows[0].Wrapped, rows[0].RetiredAt));
        Assert.Equal(destroyed.Revision, rows[0].Revision);
        Assert.Equal(retired.Commitment.ToArray(), rows[0].Commitment.ToArray());
        await using var cold = Create(_next);
        Assert.Equal(["before", "after"], await cold.Notes.OrderBy(n => n.Id).Select(n => n.Text).ToListAsync());
    }

    [Fact]
    public async Task Nothing_is_changed_inside_a_transaction_of_the_application()
    {
        await using var context = Create(_kms);
        await using var transaction = await context.Database.BeginTransactionAsync();
        var (administration, store) = Open(context);

        await Assert.ThrowsAsync<KeyUnavailableException>(() => administration.RewrapAsync(store, First.Scope, CancellationToken.None).AsTask());
    }

    private static (KeyRingAdministration Administration, EfKeyStore Store) Open(NoteContext context)
        => (EnvelopeSession.Of(context).Rings.Administration, new EfKeyStore(EnvelopeSession.Of(context).ConnectStore()));

    private static Task<IReadOnlyList<StoredKey>> ReadAsync(NoteContext context) => context.Database.GetEnvelopeKeysAsync();

    // Every row is written anew under the primary, as the job does.
    private static async Task ReencryptAsync(NoteContext context)
    {
        foreach (var note in await context.Notes.ToListAsync())
            context.Entry(note).Property(n => n.Text).IsModified = true;
        await context.SaveChangesAsync();
    }

    private NoteContext Create(params TestKms[] kms)
        => new(
            new DbContextOptionsBuilder<NoteContext>()
                .UseSqlite(_connection)
                .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
                .UseEnvelopeEncryption(
                    e =>
                    {
                        foreach (var one in kms)
                            e.UseKms(one);
                        e.Configure(o => o with { RefreshInterval = TimeSpan.FromMilliseconds(20), ActivationDelay = TimeSpan.Zero });
                    })
                .Options);

    private sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();
    }

    private sealed class Note
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }
}
