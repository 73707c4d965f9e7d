using System.Globalization;
using System.Text.RegularExpressions;
using EfEnvelope.Cli.TestUtilities;
using EfEnvelope.Kms.Local;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli;

/// <summary>
/// Chinook, in plaintext, becomes encrypted and plaintext again by the tool alone, while an application reads and writes: widened, backfilled, verified, rotated,
/// re-encrypted, its old version retired, decrypted, and at the end equal to the original.
/// </summary>
public abstract class ChinookAdoptionTests(ToolWorld world) : IAsyncLifetime
{
    private static readonly string[] Names = ["CustomerId", "FirstName", "LastName", "Company", "Address", "City", "State", "Country", "PostalCode", "Phone", "Fax", "Email", "SupportRepId"];

    private readonly CancellationTokenSource _stop = new();
    private volatile ShopStep _step;
    private int _rounds;

    public virtual async ValueTask InitializeAsync()
    {
        await world.InitializeAsync();
        world.Environment["EFENVELOPE_REFRESH_INTERVAL"] = "500ms";
        world.Environment["EFENVELOPE_ACTIVATION_DELAY"] = "1s";
        await CreateChinookAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _stop.Dispose();
        await world.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Chinook_is_adopted_by_the_tool_alone_and_goes_all_the_way_back()
    {
        var original = await ReadAsync();
        Assert.Equal(59, original.Count);
        var customer = Name("Customer");
        await RunAsync("keys", "create", "shop");

        // Stores the job, which widens the columns; then the version of the application is deployed that encrypts, and then the rows follow.
        await RunAsync("backfill", $"{customer}.{Name("Email")}", $"{customer}.{Name("Phone")}", "--mode", "deterministic", "--scope", "shop", "--enqueue-only");
        _step = ShopStep.Backfilling;
        var application = ApplicationAsync();
        try
        {
            (await world.RunAsync("jobs", "run", "1")).Exits(0);
            await RunAsync("backfill", $"{customer}.{Name("Address")}", "--into", "address_encrypted", "--scope", "shop");
            await DeployAsync(ShopStep.Encrypted);
            (await world.RunAsync("verify")).Exits(0);
            Assert.All(await StoredAsync(Name("Email")), v => Assert.StartsWith("efenvelope:v1:", (string)v!, StringComparison.Ordinal));
            Assert.All((await StoredAsync(Name("Phone"))).Where(v => v is not null), v => Assert.StartsWith("efenvelope:v1:", (string)v!, StringComparison.Ordinal));
            Assert.All((await StoredAsync("address_encrypted")).Where(v => v is not null), v => Assert.Equal(0xF9, ((byte[])v!)[0]));

            await RunAsync("keys", "rotate", "shop", "--include-search", "--activation-delay", "1s");
            await RunAsync("reencrypt", "shop");
            (await world.RunAsync("verify")).Exits(0);
            await RetireAsync("shop:v1");
            (await world.RunAsync("keys", "destroy", "shop:v1", "--confirm", "shop:v1", "--waiting-period", "0s", "--execute")).Exits(0);
            (await world.RunAsync("verify")).Exits(0);

            await DeployAsync(ShopStep.Decrypting);
            await RunAsync("decrypt", $"{customer}.{Name("Email")}", $"{customer}.{Name("Phone")}", "--scope", "shop");
            await RunAsync("decrypt", $"{customer}.address_encrypted", "--into", "address_again", "--scope", "shop");
            _step = ShopStep.Plain;
        }
        finally
        {
            await _stop.CancelAsync();
            Assert.True(await application > 0);
        }

        Assert.Equal(original, await ReadAsync());
        Assert.Equal(await StoredAsync(Name("Address")), await StoredAsync("address_again"));
    }

    protected abstract Task CreateChinookAsync();

    protected abstract string Name(string pascal);

    protected abstract void UseProvider(DbContextOptionsBuilder builder);

    protected ToolWorld World => world;

    // Every command says what it would do before it does it.
    private async Task RunAsync(params string[] args)
    {
        (await world.RunAsync(args)).Exits(0);
        (await world.RunAsync([.. args, "--execute"])).Exits(0);
    }

    // A version is deployed when the one before it has gone.
    private async Task DeployAsync(ShopStep step)
    {
        _step = step;
        for (var since = Volatile.Read(ref _rounds); Volatile.Read(ref _rounds) < since + 2;)
            await Task.Delay(20);
    }

    // Until instances cannot write under it any longer it is refused, with the time.
    private async Task RetireAsync(string version)
    {
        for (var attempt = 0; attempt < 200; attempt++)
        {
            var result = await world.RunAsync("keys", "retire", version, "--execute");
            if (result.ExitCode == 0)
                return;
            result.Exits(3);
            await Task.Delay(500);
        }

        Assert.Fail($"'{version}' could not be retired.");
    }

    // Reads every customer and finds one by its e-mail; changes one and puts it back, whatever the tool is doing.
    private async Task<int> ApplicationAsync()
    {
        var seal = LocalKmsSeal.KeyFile(world.KeyFile);
        for (var round = 0; ; round++)
        {
            Volatile.Write(ref _rounds, round);
            if (_stop.IsCancellationRequested)
                return round;
            ShopContext Open() => ShopContext.Open(world, UseProvider, seal, _step, Name);
            var id = 1 + (round % 59);
            string email, phone;
            await using (var db = Open())
            {
                var all = await db.Customers.AsNoTracking().ToDictionaryAsync(c => c.CustomerId);
                Assert.Equal(59, all.Count);
                Assert.All(all.Values, c => Assert.Contains('@', c.Email));
                (email, phone) = (all[id].Email, all[id].Phone ?? "");
            }

            await using (var db = Open())
            {
                var found = await db.Customers.SingleAsync(c => c.Email == email);
                Assert.Equal(id, found.CustomerId);
                (found.Email, found.Phone) = ($"changed.{email}", phone.Length == 0 ? null : $"changed {phone}");
                await db.SaveChangesAsync();
            }

            await using (var db = Open())
            {
                var changed = await db.Customers.SingleAsync(c => c.CustomerId == id);
                Assert.Equal($"changed.{email}", changed.Email);
                (changed.Email, changed.Phone) = (email, phone.Length == 0 ? null : phone);
                await db.SaveChangesAsync();
            }
        }
    }

    private async Task<List<string>> ReadAsync()
        => [.. (await world.QueryAsync($"SELECT {string.Join(", ", Names.Select(Name))} FROM {Name("Customer")} ORDER BY {Name("CustomerId")}"))
            .Select(r => string.Join('|', r.Select(v => Convert.ToString(v, CultureInfo.InvariantCulture))))];

    private async Task<List<object?>> StoredAsync(string column)
        => [.. (await world.QueryAsync($"SELECT {column} FROM {Name("Customer")} ORDER BY {Name("CustomerId")}")).Select(r => r[0])];
}

public sealed class SqliteChinookAdoptionTests() : ChinookAdoptionTests(new SqliteWorld())
{
    protected override Task CreateChinookAsync()
    {
        var file = ((SqliteWorld)World).DatabaseFile;
        File.Delete(file);
        File.WriteAllBytes(file, File.ReadAllBytes(SharedData.Chinook("Chinook_Sqlite_AutoIncrementPKs.sqlite")));
        return World.ExecuteAsync("PRAGMA journal_mode = 'wal'");
    }

    protected override string Name(string pascal) => pascal;

    protected override void UseProvider(DbContextOptionsBuilder builder) => builder.UseSqlite(World.ConnectionString);
}

public sealed class PostgresChinookAdoptionTests() : ChinookAdoptionTests(new PostgresWorld())
{
    protected override async Task CreateChinookAsync()
    {
        var script = await File.ReadAllTextAsync(SharedData.Chinook("Chinook_PostgreSql_AutoIncrementPKs.sql"));
        await World.ExecuteAsync("DROP SCHEMA public CASCADE");
        await World.ExecuteAsync("CREATE SCHEMA public");
        await World.ExecuteAsync(Regex.Replace(script, @"^(DROP DATABASE|CREATE DATABASE|\\c) .*;\s*$", "", RegexOptions.Multiline));
    }

    protected override string Name(string pascal) => Regex.Replace(pascal, "(?<=[a-z])([A-Z])", "_$1").ToLowerInvariant();

    protected override void UseProvider(DbContextOptionsBuilder builder) => builder.UseNpgsql(World.ConnectionString);
}
