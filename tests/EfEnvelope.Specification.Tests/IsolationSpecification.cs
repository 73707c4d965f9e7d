using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// Many contexts of one type in one process: what they share (a model, compiled queries, KMS clients), and what they must never share (keys).
/// </summary>
/// <param name="database">The database under test.</param>
/// <param name="second">Another one, or <see langword="null" /> where the server has only one to offer.</param>
public abstract class IsolationSpecification(TestDatabase database, TestDatabase? second) : EnvelopeSpecification(database)
{
    // One per test: a compiled query belongs to one model.
    private readonly Func<NoteContext, int, Task<Note?>> _findNote = EF.CompileAsyncQuery(
        (NoteContext context, int id) => context.Notes.FirstOrDefault(n => n.Id == id));

    protected TestKms OtherKms { get; } = new("other");

    private TestDatabase Second
    {
        get
        {
            Assert.SkipWhen(second is null, "This server offers one database only.");
            return second;
        }
    }

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        if (second is not null)
            await second.CreateAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        if (second is not null)
            await second.DisposeAsync();
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_hosts_with_different_KMS_share_a_model_and_no_key(bool sharedMemoryCache)
    {
        using var cache = new MemoryCache(new MemoryCacheOptions());
        DbContextOptions<NoteContext> Host(TestDatabase database, TestKms kms)
        {
            var builder = Builder(database, e => e.UseKms(kms));
            return (sharedMemoryCache ? builder.UseMemoryCache(cache) : builder).Options;
        }

        var (first, other) = (Host(Database, Kms), Host(Second, OtherKms));
        await CreateAsync(first);
        await CreateAsync(other);
        for (var round = 0; round < 2; round++)
        {
            await SaveAsync(first, "of the first host");
            await SaveAsync(other, "of the other host");
        }

        await AssertReadsAsync(first, "of the first host", 2);
        await AssertReadsAsync(other, "of the other host", 2);
        await using (var a = new NoteContext(first))
        await using (var b = new NoteContext(other))
        {
            Assert.Same(a.Model, b.Model);
            Assert.Equal("of the first host", (await _findNote(a, 1))!.Text);
            Assert.Equal("of the other host", (await _findNote(b, 1))!.Text);
        }

        Assert.Equal((1, 1), (Kms.Wraps, OtherKms.Wraps));

        await CopyRowsAsync(from: Database, to: Second);
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => AssertReadsAsync(other, "", 1));
        await using (var context = new NoteContext(Host(Second, Kms)))
            await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => context.Notes.ToListAsync());
    }

    [Fact]
    public async Task Two_databases_with_one_configuration_have_rings_of_their_own()
    {
        var (first, other) = (Builder(Database).Options, Builder(Second).Options);
        await CreateAsync(first);
        await CreateAsync(other);

        await SaveAsync(first, "here");
        await SaveAsync(other, "there");

        await AssertReadsAsync(first, "here", 1);
        await AssertReadsAsync(other, "there", 1);
        Assert.Equal(2, Kms.Wraps);
        await using (var a = new NoteContext(first))
        await using (var b = new NoteContext(other))
            Assert.Same(a.Model, b.Model);
        await CopyRowsAsync(from: Database, to: Second);
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => AssertReadsAsync(other, "", 1));
    }

    [Fact]
    public async Task Context_that_is_pointed_at_another_database_uses_its_ring()
    {
        var (first, other) = (Builder(Database).Options, Builder(Second).Options);
        await CreateAsync(first);
        await CreateAsync(other);
        await SaveAsync(first, "here");
        await using var otherConnection = Second.CreateConnection();
        var otherDatabase = otherConnection.ConnectionString;

        await using (var context = new NoteContext(first))
        {
            Assert.Equal("here", (await context.Notes.AsNoTracking().SingleAsync()).Text);
            context.Database.SetConnectionString(otherDatabase);
            context.Add(new Note { Text = "there" });
            await context.SaveChangesAsync();
            Assert.Equal("there", (await context.Notes.AsNoTracking().SingleAsync()).Text);
        }

        await AssertReadsAsync(first, "here", 1);
        await AssertReadsAsync(other, "there", 1);
        Assert.Equal(2, Kms.Wraps);
    }

    [Fact]
    public async Task Tenants_in_one_database_share_a_model_but_cannot_open_each_others_rows()
    {
        var (tenantA, tenantB) = (Builder(Database, e => e.UseScope("tenant-a")).Options, Builder(Database, e => e.UseScope("tenant-b")).Options);
        await CreateAsync(tenantA);
        await SaveAsync(tenantA, "of a");
        await SaveAsync(tenantB, "of b");

        await using var a = new NoteContext(tenantA);
        await using var b = new NoteContext(tenantB);
        Assert.Same(a.Model, b.Model);
        Assert.Equal("of a", (await _findNote(a, 1))!.Text);
        Assert.Equal("of b", (await _findNote(b, 2))!.Text);
        Assert.Equal("of a", (await a.Notes.AsNoTracking().SingleAsync(n => n.Id == 1)).Text);
        Assert.Equal("of b", (await b.Notes.AsNoTracking().SingleAsync(n => n.Id == 2)).Text);

        var alien = await Assert.ThrowsAsync<WrongKeyScopeException>(() => _findNote(b, 1));
        Assert.Contains("'tenant-a'", alien.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<WrongKeyScopeException>(() => a.Notes.AsNoTracking().ToListAsync());
        Assert.Throws<WrongKeyScopeException>(() => b.Notes.Select(n => n.Text).ToList());
        await a.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
        await SaveAsync(tenantA, "of a, under a version that b does not have");
        Assert.Contains("'tenant-a'", (await Assert.ThrowsAsync<WrongKeyScopeException>(() => _findNote(b, 3))).Message, StringComparison.Ordinal);
        Assert.Contains("'UseScope'", await AlteredAsync(b), StringComparison.Ordinal);
        Assert.Equal(
            ["tenant-a", "tenant-a", "tenant-b"],
            await Database.QueryAsync($"SELECT {Database.Quote("Scope")} FROM {Database.Quote("__EnvelopeKeys")} WHERE {Database.OfApplications} ORDER BY 1"));
    }

    [Fact]
    public async Task Process_that_shreds_a_scope_reads_and_finds_it_no_more_at_once()
    {
        var (tenantA, tenantB) = (Builder(Database, e => e.UseScope("tenant-a")).Options, Builder(Database, e => e.UseScope("tenant-b")).Options);
        await CreateAsync(tenantA);
        await SaveAsync(tenantA, "of a");
        await SaveAsync(tenantB, "of b");
        await using var a = new NoteContext(tenantA);
        await using var b = new NoteContext(tenantB);
        Assert.Equal("of a", (await _findNote(a, 1))!.Text);

        await using (var encrypted = EncryptedDatabase.Open(a))
            Assert.Single(await encrypted.Keys.ShredAsync(new KeyScope("tenant-a")));

        await Assert.ThrowsAsync<KeyDestroyedException>(() => a.Notes.AsNoTracking().FirstAsync(n => n.Id == 1));
        Assert.Throws<KeyDestroyedException>(() => a.Notes.AsNoTracking().First(n => n.Id == 1));
        Assert.IsType<KeyDestroyedException>((await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(tenantA, "more"))).InnerException);
        Assert.Equal("of b", (await b.Notes.AsNoTracking().SingleAsync(n => n.Id == 2)).Text);
    }

    [Fact]
    public async Task Thirty_tenants_share_one_internal_service_provider()
    {
        var warnings = new List<string>();
        DbContextOptions<NoteContext> Tenant(int number)
            => Builder(Database, e => e.UseScope($"tenant-{number}"))
                .ConfigureWarnings(w => w.Log(CoreEventId.ManyServiceProvidersCreatedWarning))
                .LogTo(warnings.Add, (id, _) => id == CoreEventId.ManyServiceProvidersCreatedWarning).Options;
        await CreateAsync(Tenant(0));
        await using var first = new NoteContext(Tenant(0));
        var model = first.Model;
        warnings.Clear();

        for (var number = 0; number < 30; number++)
        {
            await SaveAsync(Tenant(number), $"of {number}");
            await using var context = new NoteContext(Tenant(number));
            Assert.Same(model, context.Model);
            Assert.Equal($"of {number}", (await _findNote(context, number + 1))!.Text);
        }

        Assert.Empty(warnings);
        Assert.Equal(1, Kms.Wraps);
    }

    [Fact]
    public async Task Options_that_run_for_every_scope_make_the_KMS_client_once()
    {
        var (clients, identity) = (0, Guid.NewGuid());
        await using var services = new ServiceCollection().AddDbContext<NoteContext>(
            o => Configure(
                Database,
                o,
                e => e.UseKms(
                    ("the same every time", identity),
                    _ =>
                    {
                        Interlocked.Increment(ref clients);
                        return Kms;
                    }))).BuildServiceProvider();

        for (var i = 0; i < 10; i++)
        {
            await using var scope = services.CreateAsyncScope();
            var context = scope.ServiceProvider.GetRequiredService<NoteContext>();
            if (i == 0)
                await context.Database.EnsureCreatedAsync();
            context.Add(new Note { Text = "of a scope" });
            await context.SaveChangesAsync();
            Assert.Equal(i + 1, (await context.Notes.AsNoTracking().ToListAsync()).Count);
        }

        Assert.Equal((1, 1), (clients, Kms.Wraps));
    }

    [Theory]
    [InlineData("AddDbContext")]
    [InlineData("AddDbContextPool")]
    [InlineData("AddDbContextFactory")]
    [InlineData("AddPooledDbContextFactory")]
    public async Task Every_way_to_register_a_context_works_again_and_again(string registration)
    {
        void Use(DbContextOptionsBuilder options) => Configure(Database, options, e => e.UseKms(Kms));
        var collection = new ServiceCollection();
        _ = registration switch
        {
            "AddDbContext" => collection.AddDbContext<NoteContext>(Use),
            "AddDbContextPool" => collection.AddDbContextPool<NoteContext>(Use, poolSize: 1),
            "AddDbContextFactory" => collection.AddDbContextFactory<NoteContext>(Use),
            _ => collection.AddPooledDbContextFactory<NoteContext>(Use, poolSize: 1),
        };
        await using var services = collection.BuildServiceProvider();

        async Task WithContextAsync(Func<NoteContext, Task> work)
        {
            await using var scope = services.CreateAsyncScope();
            if (scope.ServiceProvider.GetService<IDbContextFactory<NoteContext>>() is { } factory)
            {
                await using var context = await factory.CreateDbContextAsync();
                await work(context);
            }
            else
            {
                await work(scope.ServiceProvider.GetRequiredService<NoteContext>());
            }
        }

        await WithContextAsync(c => c.Database.EnsureCreatedAsync());
        for (var round = 1; round <= 3; round++)
        {
            await WithContextAsync(
                async c =>
                {
                    c.Add(new Note { Text = $"round {round}" });
                    await c.SaveChangesAsync();
                });
            await WithContextAsync(async c => Assert.Equal($"round {round}", (await c.Notes.OrderBy(n => n.Id).LastAsync()).Text));
            await WithContextAsync(c => c.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero));

            // Straight out of the pool, with a compiled query and no other command before it.
            await WithContextAsync(async c => Assert.Equal("round 1", (await _findNote(c, 1))!.Text));
        }

        await WithContextAsync(async c => Assert.Equal(["round 1", "round 2", "round 3"], await c.Notes.OrderBy(n => n.Id).Select(n => n.Text).ToListAsync()));
    }

    [Fact]
    public async Task Pooled_context_that_was_pointed_at_another_database_comes_back_clean()
    {
        var other = Builder(Second).Options;
        await CreateAsync(other);
        await SaveAsync(other, "there");
        await using var services = new ServiceCollection()
            .AddPooledDbContextFactory<NoteContext>(o => Configure(Database, o, e => e.UseKms(Kms)), poolSize: 1).BuildServiceProvider();
        var factory = services.GetRequiredService<IDbContextFactory<NoteContext>>();
        await using var otherConnection = Second.CreateConnection();
        string original;
        await using (var context = await factory.CreateDbContextAsync())
        {
            original = context.Database.GetConnectionString()!;
            await context.Database.EnsureCreatedAsync();
            context.Add(new Note { Text = "here" });
            await context.SaveChangesAsync();
            context.Database.SetConnectionString(otherConnection.ConnectionString);
            Assert.Equal("there", (await context.Notes.AsNoTracking().SingleAsync()).Text);
            context.Database.SetConnectionString(original);
        }

        await using (var context = await factory.CreateDbContextAsync())
            Assert.Equal("here", (await context.Notes.SingleAsync()).Text);
    }

    // One bit differs: no scope opens it.
    private async Task<string> AlteredAsync(NoteContext context)
    {
        var (table, column) = (Database.Quote("Notes"), Database.Quote("Text"));
        var stored = (byte[])(await Database.QueryAsync($"SELECT {column} FROM {table} WHERE {Database.Quote("Id")} = 2"))[0]!;
        stored[^1] ^= 1;
        await Database.QueryAsync($"UPDATE {table} SET {column} = @text WHERE {Database.Quote("Id")} = 2", ("@text", stored));
        return (await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => context.Notes.AsNoTracking().FirstAsync(n => n.Id == 2))).Message;
    }

    protected static async Task CreateAsync(DbContextOptions<NoteContext> options)
    {
        await using var context = new NoteContext(options);
        await context.Database.EnsureCreatedAsync();
    }

    protected static async Task SaveAsync(DbContextOptions<NoteContext> options, string text)
    {
        await using var context = new NoteContext(options);
        context.Add(new Note { Text = text });
        await context.SaveChangesAsync();
    }

    protected static async Task AssertReadsAsync(DbContextOptions<NoteContext> options, string text, int count)
    {
        await using var context = new NoteContext(options);
        Assert.Equal(Enumerable.Repeat(text, count), (await context.Notes.ToListAsync()).Select(n => n.Text));
    }

    private DbContextOptionsBuilder<NoteContext> Builder(TestDatabase database, Action<EnvelopeOptionsBuilder>? envelope = null)
    {
        var builder = new DbContextOptionsBuilder<NoteContext>();
        Configure(database, builder, envelope ?? (e => e.UseKms(Kms)));
        return builder;
    }

    private void Configure(TestDatabase database, DbContextOptionsBuilder options, Action<EnvelopeOptionsBuilder> envelope)
        => database.UseProvider(options)
            .UseEnvelopeEncryption(
                e =>
                {
                    envelope(e);
                    if (e.Options.Scope != "default")
                        e.UseKms(Kms);
                })
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    private static async Task CopyRowsAsync(TestDatabase from, TestDatabase to)
    {
        var (table, column) = (to.Quote("Notes"), to.Quote("Text"));
        foreach (var envelope in await from.QueryAsync($"SELECT {column} FROM {table}"))
            await to.QueryAsync($"INSERT INTO {table} ({column}) VALUES (@text)", ("@text", envelope!));
    }

    public sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();
    }

    public sealed class Note
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }
}
