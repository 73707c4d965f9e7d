using System.Runtime.CompilerServices;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>Many configurations in one process: tenants with a KMS each, or a test suite whose tests have one each.</summary>
public sealed class ConfigurationsTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Two_hundred_KMS_files_serve_contexts_in_one_process_that_share_one_model()
    {
        var folder = Directory.CreateTempSubdirectory("efenvelope-");
        try
        {
            var warnings = new List<string>();
            var seal = LocalKmsSeal.CreateKeyFile(Path.Combine(folder.FullName, "seal.key"));
            object? model = null;
            for (var i = 0; i < 200; i++)
            {
                await using var connection = new SqliteConnection("Data Source=:memory:");
                await connection.OpenAsync();
                var file = Path.Combine(folder.FullName, $"kms{i}.db");
                DbContextOptions<NoteContext> Options()
                    => new DbContextOptionsBuilder<NoteContext>().UseSqlite(connection)
                        .ConfigureWarnings(w => w.Log(CoreEventId.ManyServiceProvidersCreatedWarning))
                        .LogTo(warnings.Add, (id, _) => id == CoreEventId.ManyServiceProvidersCreatedWarning)
                        .UseEnvelopeEncryption(e => e.UseLocalKms($"Data Source={file}", seal)).Options;
                await using (var writer = new NoteContext(Options()))
                {
                    await writer.Database.EnsureCreatedAsync();
                    writer.Add(new Note { Text = $"of {i}" });
                    await writer.SaveChangesAsync();
                    Assert.Same(model ??= writer.Model, writer.Model);
                }

                if (i == 0)
                    warnings.Clear();
                Assert.True(File.Exists(file));
                await using var reader = new NoteContext(Options());
                Assert.Equal($"of {i}", (await reader.Notes.AsNoTracking().SingleAsync()).Text);
            }

            Assert.Empty(warnings);
        }
        finally
        {
            SqliteConnection.ClearAllPools();
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Context_uses_the_KMS_of_its_own_configuration_in_a_query_that_another_configuration_compiled()
    {
        var (one, other) = (new TestKms("one"), new TestKms("other"));
        await using var first = await CreateAsync(one);
        await using var second = await CreateAsync(other);
        Assert.Equal(["secret"], await first.Notes.Select(n => n.Text).ToListAsync());
        Assert.Equal(["secret"], await second.Notes.Select(n => n.Text).ToListAsync());
        Assert.Equal((1, 1), (one.Wraps, other.Wraps));
        Assert.NotSame(EnvelopeSession.Of(first).Rings, EnvelopeSession.Of(second).Rings);

        // The rows of one database do not open by the KMS of the other.
        await using var wrong = new NoteContext(Options(first.Database.GetDbConnection(), e => e.UseKms(other)));
        await Assert.ThrowsAnyAsync<EnvelopeException>(() => wrong.Notes.ToListAsync());
    }

    [Fact]
    public async Task Options_that_differ_in_the_scope_alone_share_a_KMS_client_and_those_that_differ_in_anything_else_do_not()
    {
        await using var connection = new SqliteConnection("Data Source=:memory:");
        var kms = new TestKms();
        KeyRingCache RingsOf(Action<EnvelopeOptionsBuilder> configure)
        {
            using var context = new NoteContext(Options(connection, e => configure(e.UseKms(kms))));
            return EnvelopeSession.Of(context).Rings;
        }

        var rings = RingsOf(_ => { });
        Assert.Same(rings, RingsOf(e => e.UseScope("tenant")));
        Assert.NotSame(rings, RingsOf(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromMinutes(1) })));
        Assert.NotSame(rings, RingsOf(e => e.UseTimeProvider(new OtherClock())));
        Assert.NotSame(rings, RingsOf(e => e.UseKms(new TestKms("spare"))));
    }

    [Fact]
    public async Task Fault_of_a_configuration_is_reported_although_a_sound_one_came_before()
    {
        await using var connection = new SqliteConnection("Data Source=:memory:");
        await using var sound = new NoteContext(Options(connection, e => e.UseKms(new TestKms())));
        Assert.NotNull(sound.Model);

        var faulty = Options(connection, e => e.Configure(o => o with { RefreshInterval = TimeSpan.Zero }));
        var fault = Assert.Throws<EnvelopeConfigurationException>(() => new NoteContext(faulty));
        Assert.Contains(nameof(EnvelopeOptions.RefreshInterval), fault.Message, StringComparison.Ordinal);
        Assert.Contains("No key management service is configured", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Internal_services_of_the_application_serve_contexts_of_two_configurations()
    {
        await using var connection = new SqliteConnection("Data Source=:memory:");
        await connection.OpenAsync();
        var services = new ServiceCollection().AddEntityFrameworkSqlite();
        var (one, other) = (new TestKms("one"), new TestKms("other"));
        foreach (var extension in Options(connection, e => e.UseKms(one)).Extensions.OfType<EnvelopeOptionsExtension>())
            extension.ApplyServices(services);
        await using var provider = services.BuildServiceProvider(validateScopes: true);
        DbContextOptions<NoteContext> With(TestKms kms)
            => new DbContextOptionsBuilder<NoteContext>(Options(connection, e => e.UseKms(kms))).UseInternalServiceProvider(provider).Options;

        await using (var context = new NoteContext(With(one)))
        {
            await context.Database.EnsureCreatedAsync();
            context.Add(new Note { Text = "secret" });
            await context.SaveChangesAsync();
        }

        await using (var context = new NoteContext(With(one)))
            Assert.Equal("secret", (await context.Notes.SingleAsync()).Text);
        await using var wrong = new NoteContext(With(other));
        await Assert.ThrowsAnyAsync<EnvelopeException>(() => wrong.Notes.ToListAsync());
    }

    [Fact]
    public void Client_is_disposed_of_when_nobody_uses_it_and_not_before()
    {
        const int MaxKept = 10;
        var runtimes = new EnvelopeRuntimes(MaxKept);
        var (used, clients) = (new Client(), new List<Client>());
        var lease = runtimes.Lease(Configure(used));
        _ = lease.Runtime.Rings;
        for (var i = 0; i < 3 * MaxKept; i++)
            UseOnce(runtimes, clients);

        Wait(() => clients.Count(c => c.Disposals > 0) >= clients.Count - MaxKept);
        Assert.Equal(0, used.Disposals);
        Assert.All(clients, c => Assert.InRange(c.Disposals, 0, 1));
        Assert.All(clients[^1..], c => Assert.Equal(0, c.Disposals));
        Assert.Same(lease, runtimes.Lease(Configure(used)));
        GC.KeepAlive(lease);
    }

    [Fact]
    public void Configuration_that_comes_back_after_its_client_was_disposed_of_gets_a_new_one()
    {
        var runtimes = new EnvelopeRuntimes(maxKept: 1);
        var clients = new List<Client>();
        var identity = new object();
        UseOnce(runtimes, clients, identity);
        UseOnce(runtimes, clients);
        Wait(() => clients[0].Disposals == 1);
        UseOnce(runtimes, clients, identity);
        Assert.Equal((3, 0), (clients.Count, clients[2].Disposals));
    }

    [Fact]
    public void Client_that_the_caller_made_is_not_disposed_of()
    {
        var runtimes = new EnvelopeRuntimes(maxKept: 1);
        var (own, clients) = (new Client(), new List<Client>());
        UseOwn(runtimes, own);
        UseOnce(runtimes, clients);
        UseOnce(runtimes, clients);
        Wait(() => clients[0].Disposals == 1);
        Assert.Equal(0, own.Disposals);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void UseOwn(EnvelopeRuntimes runtimes, Client own) => _ = runtimes.Lease(new EnvelopeOptionsBuilder().UseKms(own)).Runtime.Rings;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void UseOnce(EnvelopeRuntimes runtimes, List<Client> clients, object? identity = null)
    {
        var configuration = new EnvelopeOptionsBuilder().UseKms(
            identity ?? new object(),
            _ =>
            {
                clients.Add(new Client());
                return clients[^1];
            });
        _ = runtimes.Lease(configuration).Runtime.Rings;
    }

    private static EnvelopeOptionsBuilder Configure(Client client) => new EnvelopeOptionsBuilder().UseKms(("client", client), _ => client);

    private static void Wait(Func<bool> condition)
    {
        for (var since = DateTimeOffset.UtcNow; !condition(); Thread.Sleep(10))
        {
            Assert.True(DateTimeOffset.UtcNow - since < Patience, "It did not happen in time.");
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    private static async Task<NoteContext> CreateAsync(TestKms kms)
    {
        var connection = new SqliteConnection("Data Source=:memory:");
        await connection.OpenAsync();
        var context = new NoteContext(Options(connection, e => e.UseKms(kms)));
        await context.Database.EnsureCreatedAsync();
        context.Add(new Note { Text = "secret" });
        await context.SaveChangesAsync();
        return context;
    }

    private static DbContextOptions<NoteContext> Options(System.Data.Common.DbConnection connection, Action<EnvelopeOptionsBuilder> configure)
        => new DbContextOptionsBuilder<NoteContext>().UseSqlite(connection)
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
            .UseEnvelopeEncryption(configure).Options;

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

    private sealed class OtherClock : TimeProvider;

    private sealed class Client : IKeyWrapper, IDisposable
    {
        private int _disposals;

        public int Disposals => _disposals;

        public KekUri Kek { get; } = new("test", "client");

        public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
            => throw new KmsException(KmsErrorKind.Unavailable, "It is not asked.");

        public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
            => throw new KmsException(KmsErrorKind.Unavailable, "It is not asked.");

        public void Dispose() => Interlocked.Increment(ref _disposals);
    }
}
