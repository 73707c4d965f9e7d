using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// Who waits for keys: an asynchronous call never keeps a thread waiting, and a synchronous one on a cold ring waits once without deadlock.
/// </summary>
public abstract class AsynchronySpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private const int Crowd = 24;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Func<SecretContext, int, Task<Secret?>> _find = EF.CompileAsyncQuery(
        (SecretContext context, int id) => context.Secrets.FirstOrDefault(s => s.Id == id));

    private readonly Func<SecretContext, string, Task<int>> _count = EF.CompileAsyncQuery(
        (SecretContext context, string code) => context.Secrets.Count(s => s.Code == code && s.Email == code));

    // A KMS client that never saw this database: its cache of keys is cold, its calls wait until they are let go.
    private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private FileKms? _kms;
    private string? _file;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _file = FileKms.CreateFile();
        await using (var context = new SecretContext(Cold(new FileKms(_file))))
        {
            await context.Database.EnsureCreatedAsync();
            context.AddRange(new Secret { Text = "one", Code = "one", Email = "one" }, new Secret { Text = "two", Code = "two", Email = "two" });
            await context.SaveChangesAsync();
        }

        _kms = new FileKms(_file) { BeforeUnwrap = () => _release.Task };
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_file is not null)
            File.Delete(_file);
    }

    public static TheoryData<string> AsynchronousPaths =>
    [
        "insert", "update", "delete", "ToListAsync", "projection", "FindAsync", "await foreach", "ExecuteUpdateAsync", "ExecuteUpdateAsync, open",
        "compiled query, closed", "compiled query, open", "first read in a transaction", "first write in a transaction", "split query",
        "LoadEnvelopeKeysAsync", "ReloadAsync", "FromSql", "equality", "equality, open", "equality by blind index", "equality by blind index, open", "list",
        "list by blind index", "equality in a transaction", "compiled equality, closed", "compiled equality, open", "columns", "ExecuteUpdateAsync by equality",
        "ExecuteUpdateAsync of what is indexed", "ExecuteUpdateAsync of what is indexed, open", "ExecuteDeleteAsync by equality",
    ];

    [Theory]
    [MemberData(nameof(AsynchronousPaths))]
    public async Task Asynchronous_call_on_a_cold_ring_gives_its_thread_back(string path)
    {
        await using var context = new SecretContext(Cold(_kms!));
        var model = context.Model;
        Task? work = null;

        // A thread of its own, so that one that blocks is found instead of starving the pool.
        var thread = new Thread(() => work = RunAsync(context, path)) { IsBackground = true };
        thread.Start();
        Assert.True(thread.Join(Patience), $"'{path}' blocks its thread while it waits for a key.");
        await Task.Delay(100);
        Assert.False(work!.IsCompleted, $"'{path}' ended without any key: {work.Exception}");
        _release.SetResult();

        await work.WaitAsync(Patience);
        Assert.NotNull(model);
    }

    [Theory]
    [InlineData("insert")]
    [InlineData("insert, transaction")]
    [InlineData("read")]
    [InlineData("execute update")]
    public void Synchronous_call_on_a_cold_ring_does_not_deadlock_under_a_synchronization_context(string path)
    {
        _kms!.BeforeUnwrap = async () =>
        {
            // A client that comes back to where it was called from, as careless ones do.
            await Task.Yield();
            await Task.Delay(20);
        };
        Exception? failure = null;
        var thread = new Thread(
            () =>
            {
                SynchronizationContext.SetSynchronizationContext(new SingleThread());
                try
                {
                    using var context = new SecretContext(Cold(_kms));
                    Run(context, path);
                }
                catch (Exception e)
                {
                    failure = e;
                }
            })
        { IsBackground = true };
        thread.Start();

        Assert.True(thread.Join(Patience), $"'{path}' deadlocks.");
        Assert.Null(failure);
    }

    [Theory]
    [InlineData("insert")]
    [InlineData("insert, transaction")]
    [InlineData("read")]
    [InlineData("execute update")]
    public async Task Synchronous_calls_of_many_pool_threads_on_a_cold_ring_all_end_and_unwrap_once(string path)
    {
        var asked = 0;
        _kms!.BeforeUnwrap = async () =>
        {
            Interlocked.Increment(ref asked);
            await Task.Yield();
            await Task.Delay(50);
        };
        var options = Cold(_kms);

        await RunOnManyThreadsAsync(options, path);

        Assert.Equal(1, asked);
        await using var cold = new SecretContext(Cold(new FileKms(_file!)));
        Assert.Equal(path.StartsWith("insert", StringComparison.Ordinal) ? 2 + Crowd : 2, (await cold.Secrets.ToListAsync()).Count);
    }

    [Theory]
    [InlineData("insert")]
    [InlineData("insert, transaction")]
    public async Task Synchronous_first_writes_of_many_pool_threads_all_end_and_wrap_one_key(string path)
    {
        Kms.Before = async () =>
        {
            await Task.Yield();
            await Task.Delay(50);
        };
        var options = Options<SecretContext>(e => e.UseScope("without-keys"));

        await RunOnManyThreadsAsync(options, path);

        Assert.Equal(1, Kms.Wraps);
        Assert.Single(await Database.QueryAsync($"SELECT 1 FROM {Database.Quote("__EnvelopeKeys")} WHERE {Database.Quote("Scope")} = 'without-keys'"));
        await Database.QueryAsync($"DELETE FROM {Database.Quote("Secrets")} WHERE {Database.Quote("Id")} <= 2");
        await using var cold = new SecretContext(
            Options<SecretContext>(e => e.UseScope("without-keys").Configure(o => o with { NegativeCacheTime = TimeSpan.FromSeconds(3) })));
        Assert.Equal(Enumerable.Repeat("three", Crowd), (await cold.Secrets.ToListAsync()).Select(s => s.Text));
    }

    // More calls than the pool has threads, and each keeps one.
    private static Task RunOnManyThreadsAsync(DbContextOptions<SecretContext> options, string path)
        => Task.WhenAll(
            Enumerable.Range(0, Crowd).Select(
                _ => Task.Run(
                    () =>
                    {
                        using var context = new SecretContext(options);
                        Run(context, path);
                    }))).WaitAsync(2 * Patience);

    private async Task RunAsync(SecretContext context, string path)
    {
        var two = "two";
        string?[] both = ["one", "two"];
        switch (path)
        {
            case "insert":
                context.Add(new Secret { Text = "three" });
                Assert.Equal(1, await context.SaveChangesAsync());
                break;
            case "update":
                context.Update(new Secret { Id = 1, Text = "changed" });
                Assert.Equal(1, await context.SaveChangesAsync());
                break;
            case "delete":
                context.Remove(await context.Secrets.FirstAsync());
                Assert.Equal(1, await context.SaveChangesAsync());
                break;
            case "ToListAsync":
                Assert.Equal(["one", "two"], (await context.Secrets.OrderBy(s => s.Id).ToListAsync()).Select(s => s.Text));
                break;
            case "projection":
                Assert.Equal(["one", "two"], await context.Secrets.OrderBy(s => s.Id).Select(s => s.Text).ToListAsync());
                break;
            case "FindAsync":
                Assert.Equal("two", (await context.Secrets.FindAsync(2))!.Text);
                break;
            case "await foreach":
                var texts = new List<string>();
                await foreach (var secret in context.Secrets.OrderBy(s => s.Id).AsAsyncEnumerable())
                    texts.Add(secret.Text);
                Assert.Equal(["one", "two"], texts);
                break;
            case "ExecuteUpdateAsync, open":
                await context.Database.OpenConnectionAsync();
                goto case "ExecuteUpdateAsync";
            case "ExecuteUpdateAsync":
                Assert.Equal(2, await context.Secrets.ExecuteUpdateAsync(set => set.SetProperty(s => s.Text, "all")));
                break;
            case "compiled query, open":
                await context.Database.OpenConnectionAsync();
                goto case "compiled query, closed";
            case "compiled query, closed":
                Assert.Equal("two", (await _find(context, 2))!.Text);
                break;
            case "first read in a transaction":
                await using (await context.Database.BeginTransactionAsync())
                    Assert.Equal(2, (await context.Secrets.ToListAsync()).Count);
                break;
            case "first write in a transaction":
                await using (var transaction = await context.Database.BeginTransactionAsync())
                {
                    context.Add(new Secret { Text = "three" });
                    await context.SaveChangesAsync();
                    await transaction.CommitAsync();
                }

                break;
            case "split query":
                Assert.Equal(2, (await context.Secrets.Include(s => s.Details).AsSplitQuery().ToListAsync()).Count);
                break;
            case "LoadEnvelopeKeysAsync":
                await context.Database.LoadEnvelopeKeysAsync();
                break;
            case "ReloadAsync":
                var stub = context.Attach(new Secret { Id = 2, Text = "" });
                await stub.ReloadAsync();
                Assert.Equal("two", stub.Entity.Text);
                break;
            case "FromSql":
                var sql = $"SELECT * FROM {Database.Quote("Secrets")}";
                Assert.Equal(2, (await context.Secrets.FromSqlRaw(sql).ToListAsync()).Count);
                break;
            case "equality, open":
                await context.Database.OpenConnectionAsync();
                goto case "equality";
            case "equality":
                Assert.Equal(2, await context.Secrets.Where(s => s.Code == two).Select(s => s.Id).SingleAsync());
                break;
            case "equality by blind index, open":
                await context.Database.OpenConnectionAsync();
                goto case "equality by blind index";
            case "equality by blind index":
                Assert.Equal(2, await context.Secrets.Where(s => s.Email == two).Select(s => s.Id).SingleAsync());
                break;
            case "list":
                Assert.Equal(2, await context.Secrets.CountAsync(s => both.Contains(s.Code)));
                break;
            case "list by blind index":
                Assert.Equal(2, await context.Secrets.CountAsync(s => both.Contains(s.Email)));
                break;
            case "equality in a transaction":
                await using (await context.Database.BeginTransactionAsync())
                    Assert.True(await context.Secrets.AnyAsync(s => s.Code == two && s.Email == two));
                break;
            case "compiled equality, open":
                await context.Database.OpenConnectionAsync();
                goto case "compiled equality, closed";
            case "compiled equality, closed":
                Assert.Equal(1, await _count(context, two));
                break;
            case "columns":
                Assert.Equal(2, await context.Secrets.Join(context.Secrets, s => s.Code, s => s.Code, (s, _) => s.Id).CountAsync());
                break;
            case "ExecuteUpdateAsync by equality":
                Assert.Equal(1, await context.Secrets.Where(s => s.Email == two).ExecuteUpdateAsync(set => set.SetProperty(s => s.Text, "changed")));
                break;
            case "ExecuteUpdateAsync of what is indexed, open":
                await context.Database.OpenConnectionAsync();
                goto case "ExecuteUpdateAsync of what is indexed";
            case "ExecuteUpdateAsync of what is indexed":
                Assert.Equal(2, await context.Secrets.ExecuteUpdateAsync(set => set.SetProperty(s => s.Email, "all").SetProperty(s => s.Code, "all")));
                Assert.Equal(2, await context.Secrets.CountAsync(s => s.Email == "all" && s.Code == "all"));
                break;
            case "ExecuteDeleteAsync by equality":
                Assert.Equal(1, await context.Secrets.Where(s => s.Code == two).ExecuteDeleteAsync());
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(path));
        }
    }

    private static void Run(SecretContext context, string path)
    {
        switch (path)
        {
            case "insert":
                context.Add(new Secret { Text = "three" });
                context.SaveChanges();
                break;
            case "insert, transaction":
                using (var transaction = context.Database.BeginTransaction())
                {
                    context.Add(new Secret { Text = "three" });
                    context.SaveChanges();
                    transaction.Commit();
                }

                break;
            case "read":
                Assert.Equal(["one", "two"], context.Secrets.OrderBy(s => s.Id).Select(s => s.Text).ToList());
                break;
            case "execute update":
                Assert.Equal(2, context.Secrets.ExecuteUpdate(set => set.SetProperty(s => s.Text, "all")));
                break;
        }
    }

    private DbContextOptions<SecretContext> Cold(FileKms kms)
        => ((DbContextOptionsBuilder<SecretContext>)Database.UseProvider(new DbContextOptionsBuilder<SecretContext>()))
            .UseEnvelopeEncryption(e => e.UseKms(kms))
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options;

    public sealed class SecretContext(DbContextOptions<SecretContext> options) : DbContext(options)
    {
        public DbSet<Secret> Secrets => Set<Secret>();
    }

    public sealed class Secret
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }

        [Encrypted(EncryptionMode.Deterministic)]
        public string? Code { get; set; }

        [Encrypted, BlindIndex]
        public string? Email { get; set; }

        public List<Detail> Details { get; } = [];
    }

    public sealed class Detail
    {
        public int Id { get; set; }

        [Encrypted]
        public string? Text { get; set; }
    }

    // Runs what is posted on the one thread that would have to be free for it: it never is, while a synchronous call waits there.
    private sealed class SingleThread : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
        }
    }
}
