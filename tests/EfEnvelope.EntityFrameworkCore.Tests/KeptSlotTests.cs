using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.Keys;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>A context keeps where its ring lies, so that a command need not look for it; the cache must not take it for idle meanwhile, nor be kept from forgetting it.</summary>
public sealed class KeptSlotTests : IAsyncLifetime
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly SqliteConnection _connection = new("Data Source=:memory:");
    private readonly TestKms _kms = new();

    public async ValueTask InitializeAsync()
    {
        await _connection.OpenAsync();
        await using var context = Create();
        await context.Database.EnsureCreatedAsync();
        context.Add(new Note { Text = "secret" });
        await context.SaveChangesAsync();
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    [Fact]
    public async Task Ring_of_a_context_that_lives_long_and_is_busy_is_not_dropped_as_idle()
    {
        await using var busy = Create();
        for (DateTimeOffset since = DateTimeOffset.UtcNow, last = since; last - since < 4 * Interval;)
        {
            Assert.Equal("secret", await busy.Notes.Select(n => n.Text).SingleAsync());
            await Task.Delay(TimeSpan.FromMilliseconds(100));

            // Where the machine pauses for longer, the context is idle, and its busy time begins again.
            var now = DateTimeOffset.UtcNow;
            (since, last) = (now - last < Interval ? since : now, now);
        }

        Assert.Equal("secret", await busy.Notes.Select(n => n.Text).SingleAsync());

        var slot = SlotOf(busy);
        await using var other = Create();
        Assert.Same(slot, SlotOf(other));
        Assert.False(slot.IsDropped);
    }

    [Fact]
    public async Task Ring_that_another_context_made_the_cache_forget_is_kept_by_none()
    {
        await using var one = Create();
        Assert.Equal("secret", await one.Notes.Select(n => n.Text).SingleAsync());
        var slot = SlotOf(one);

        await using var other = Create();
        EnvelopeSession.Of(other).ForgetRings();

        Assert.True(slot.IsDropped);
        Assert.NotSame(slot, SlotOf(one));
        Assert.Equal("secret", await one.Notes.Select(n => n.Text).SingleAsync());
    }

    [Fact]
    public async Task Context_that_was_given_back_to_its_pool_holds_no_ring()
    {
        await using var context = Create();
        Assert.Equal("secret", await context.Notes.Select(n => n.Text).SingleAsync());
        var session = EnvelopeSession.Of(context);
        session.ResetState();
        foreach (var name in new[] { "_slot", "_ring", "_proved" })
            Assert.Null(typeof(EnvelopeSession).GetField(name, System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic)!.GetValue(session));
    }

    private static KeyRingSlot SlotOf(DbContext context)
    {
        var session = EnvelopeSession.Of(context);
        return session.FindSlot(session.ConnectStore());
    }

    private NoteContext Create()
        => new(new DbContextOptionsBuilder<NoteContext>()
            .UseSqlite(_connection)
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
            .UseEnvelopeEncryption(
                e => e.UseKms(_kms).Configure(o => o with { RefreshInterval = Interval, ActivationDelay = Interval, StaleIfErrorFor = TimeSpan.Zero, RotateAfter = null }))
            .Options);

    private sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();
    }

    private sealed class Note
    {
        public int Id { get; set; }

        [Encrypted]
        public string Text { get; set; } = "";
    }
}
