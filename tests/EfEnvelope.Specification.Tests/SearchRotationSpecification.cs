using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>A second key version for what is compared: no row is missed, and no duplicate gets in, while both are live.</summary>
public abstract class SearchRotationSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private static readonly string[] Kinds = ["number", "ssn", "badge", "name"];

    private readonly Func<PersonContext, string, IEnumerable<int>> _byCode = EF.CompileQuery(
        (PersonContext db, string code) => db.People.Where(p => p.Code == code).OrderBy(p => p.Id).Select(p => p.Id));

    private readonly Func<PersonContext, string, IAsyncEnumerable<int>> _byEmail = EF.CompileAsyncQuery(
        (PersonContext db, string email) => db.People.Where(p => p.Email == email).OrderBy(p => p.Id).Select(p => p.Id));

    private readonly Func<PersonContext, List<string>, IEnumerable<int>> _byCodes = EF.CompileQuery(
        (PersonContext db, List<string> codes) => db.People.Where(p => codes.Contains(p.Code)).OrderBy(p => p.Id).Select(p => p.Id));

    private readonly Func<PersonContext, string, Task<Person?>> _byNumber = EF.CompileAsyncQuery(
        (PersonContext db, string number) => db.People.FirstOrDefault(p => p.Number == number));

    private readonly Func<PersonContext, string, Person?> _bySsn = EF.CompileQuery((PersonContext db, string ssn) => db.People.FirstOrDefault(p => p.Ssn == ssn));

    private readonly List<Person> _rows = [];
    private int _planned;
    private Instance? _main;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _main = NewInstance(count: true);
        await using var db = _main.Open();
        await db.Database.EnsureCreatedAsync();
    }

    [Fact]
    public async Task Rows_written_before_during_and_after_the_rotation_are_found_by_every_query_in_every_phase_without_compiling_it_anew()
    {
        await SaveAsync("ada", "bob");
        await AssertAllFoundAsync();
        await using (var db = Main.Open())
            Assert.Equal(2, (await RotateUnknownToOthersAsync(db, TimeSpan.FromHours(1))).Number);
        var planned = _planned;
        await AssertAllFoundAsync();
        await SaveAsync("ada", "eve");
        await AssertAllFoundAsync();

        Main.Time.Advance(TimeSpan.FromHours(1));
        await AssertAllFoundAsync();
        await SaveAsync("ada", "bob", "zoe");
        await AssertAllFoundAsync();
        Assert.Equal(planned, _planned);

        // The same values lie under two versions now, and a process that starts now finds them as well.
        Assert.Equal([1u, 1, 1, 1, 2, 2, 2], await VersionsAsync("Code"));
        var cold = NewInstance();
        await using var other = cold.Open();
        Assert.Equal(3, await other.People.CountAsync(p => p.Code == "ada"));
        Assert.Equal(3, await other.People.CountAsync(p => p.Email == "ada@example.org"));
        Assert.Equal(4, await other.People.CountAsync(p => p.Code != "ada"));
    }

    [Fact]
    public async Task Every_column_is_written_under_the_version_that_its_use_asks_for()
    {
        await SaveAsync("one");
        await AssertVersionsAsync(values: 1, compared: 1, unique: 1);
        await using (var db = Main.Open())
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
        await SaveAsync("ordinary");
        await AssertVersionsAsync(values: 2, compared: 1, unique: 1);
        await using (var db = Main.Open())
            await RotateUnknownToOthersAsync(db, TimeSpan.FromHours(1));
        await SaveAsync("before its time");
        await AssertVersionsAsync(values: 2, compared: 1, unique: 1);
        Main.Time.Advance(TimeSpan.FromHours(1));
        await SaveAsync("after its time");
        await AssertVersionsAsync(values: 3, compared: 3, unique: 1);
        await using (var db = Main.Open())
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);

        // The rotation read the ring anew, and with it the database's time, which has not advanced.
        Main.Time.Advance(TimeSpan.FromHours(1));
        await SaveAsync("ordinary again");
        await AssertVersionsAsync(values: 4, compared: 3, unique: 1);

        // Bulk updates and tracked updates follow the same rule.
        await using (var db = Main.Open())
        {
            var last = _rows[^1].Id;
            await db.People.Where(p => p.Id == last).ExecuteUpdateAsync(
                s => s.SetProperty(p => p.Code, "bulk").SetProperty(p => p.Number, "bulk").SetProperty(p => p.Email, "bulk").SetProperty(p => p.Ssn, "bulk")
                    .SetProperty(p => p.Badge, "bulk").SetProperty(p => p.First, "bulk").SetProperty(p => p.Last, "bulk").SetProperty(p => p.Secret, "bulk"));
            await AssertVersionsAsync(values: 4, compared: 3, unique: 1);
            var first = await db.People.OrderBy(p => p.Id).FirstAsync();
            (first.Code, first.Number) = ("tracked", "tracked");
            await db.SaveChangesAsync();
        }

        Assert.Equal(3u, (await VersionsAsync("Code"))[0]);
        Assert.Equal(1u, (await VersionsAsync("Number"))[0]);
    }

    [Theory]
    [InlineData("one version")]
    [InlineData("crossing")]
    [InlineData("two versions")]
    public async Task No_duplicate_gets_under_a_unique_index_and_every_value_gets_in_once_while_many_write(string phase)
    {
        var instance = NewInstance(TimeProvider.System);
        await SaveAsync("seed");
        var until = TimeSpan.Zero;
        if (phase != "one version")
        {
            until = phase == "crossing" ? TimeSpan.FromSeconds(3) : TimeSpan.Zero;
            await using var db = instance.Open();
            await RotateUnknownToOthersAsync(db, until);
        }

        var won = new ConcurrentDictionary<(string Kind, string Value), int>();
        var failures = new ConcurrentBag<Exception>();
        var clock = Stopwatch.StartNew();
        var round = 0;
        for (; round < 3 || clock.Elapsed < until + TimeSpan.FromSeconds(1); round++)
        {
            // Four new values, and four that were taken earlier, maybe before the second version had its time.
            var work = Kinds.Select(kind => (kind, $"{kind}-{round}")).Concat(Kinds.Select(kind => (kind, $"{kind}-{round / 2}"))).ToArray();
            await Task.WhenAll(
                Enumerable.Range(0, Writers).Select(
                    writer => Task.Run(
                        async () =>
                        {
                            for (var i = 0; i < work.Length; i++)
                            {
                                var (kind, value) = work[(i + writer) % work.Length];
                                await using var db = instance.Open();
                                db.Add(Person.With(kind, value));
                                if (await Record.ExceptionAsync(() => db.SaveChangesAsync()) is { } e)
                                    failures.Add(e);
                                else
                                    won.AddOrUpdate((kind, value), 1, (_, count) => count + 1);
                            }
                        })));
        }

        Assert.All(failures, AssertDuplicate);
        Assert.All(won, w => Assert.Equal(1, w.Value));
        Assert.Equal(round * Kinds.Length, won.Count);

        await using var cold = NewInstance().Open();
        var stored = await cold.People.Where(p => p.Id > 1).ToListAsync();
        Assert.Equal(won.Keys.Order(), stored.Select(p => (p.Kind, p.Get(p.Kind))).Order());
        foreach (var column in new[] { "Number", "Ssn_BlindIndex", "Badge", "First_Last_BlindIndex" })
            Assert.All(await VersionsAsync(column), v => Assert.Equal(1u, v));
        Assert.Equal(phase switch { "one version" => [1u], "crossing" => [1u, 2u], _ => [1u, 2u] }, (await VersionsAsync("Code")).Distinct().Order());

        // Nor by an update, tracked or in bulk.
        var (one, other) = (stored.First(p => p.Kind == "number"), stored.Last(p => p.Kind == "number"));
        foreach (var kind in Kinds)
        {
            await using var db = instance.Open();
            var tracked = await db.People.SingleAsync(p => p.Id == other.Id);
            tracked.Set(kind, one.Get(kind));
            AssertDuplicate(await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync()));
        }

        await using var bulk = instance.Open();
        var rows = bulk.People.Where(p => p.Id == other.Id);
        AssertDuplicate(await Assert.ThrowsAnyAsync<DbException>(() => rows.ExecuteUpdateAsync(s => s.SetProperty(p => p.Number, one.Number))));
        AssertDuplicate(await Assert.ThrowsAnyAsync<DbException>(() => rows.ExecuteUpdateAsync(s => s.SetProperty(p => p.Ssn, one.Ssn))));
        AssertDuplicate(await Assert.ThrowsAnyAsync<DbException>(() => rows.ExecuteUpdateAsync(s => s.SetProperty(p => p.Badge, one.Badge))));
        AssertDuplicate(
            await Assert.ThrowsAnyAsync<DbException>(
                () => rows.ExecuteUpdateAsync(s => s.SetProperty(p => p.First, one.First).SetProperty(p => p.Last, one.Last))));
    }

    // A delay that is refused, because instances may not know the version when its time comes: here they do not refresh in the time that the test moves.
    private static async Task<KeyVersion> RotateUnknownToOthersAsync(DbContext db, TimeSpan delay)
    {
        var session = EnvelopeSession.Of(db);
        var connection = session.ConnectStore();
        return await session.FindSlot(connection).RotateAsync(new EfKeyStore(connection), delay, searches: true, CancellationToken.None);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Columns_are_compared_with_each_other_under_one_version_only(bool async)
    {
        await SaveAsync("ada", "bob");
        await using (var db = Main.Open())
        {
            db.AddRange(new Order { Code = "ada" }, new Order { Code = "ada" }, new Order { Code = "eve" });
            await db.SaveChangesAsync();
        }

        await AssertColumnsCompareAsync(Main, async);
        await using (var db = Main.Open())
            await RotateUnknownToOthersAsync(db, TimeSpan.FromSeconds(1));
        await AssertColumnsRefusedAsync(Main, async);
        Main.Time.Advance(TimeSpan.FromSeconds(1));
        await Task.Delay(TimeSpan.FromSeconds(1.2));
        await AssertColumnsRefusedAsync(Main, async);

        List<Person> people;
        List<Order> orders;
        await using (var db = Main.Open())
        {
            people = await db.People.AsNoTracking().ToListAsync();
            orders = await db.Orders.AsNoTracking().ToListAsync();
        }

        await SetStatusAsync(1, "destroyed");
        var after = NewInstance();
        await using (var db = after.Open())
        {
            db.UpdateRange(people);
            db.UpdateRange(orders);
            await db.SaveChangesAsync();
        }

        await AssertColumnsCompareAsync(after, async);
        foreach (var column in new[] { "Code", "Number", "Ssn_BlindIndex", "Email_BlindIndex", "Badge", "First_Last_BlindIndex" })
            Assert.All(await VersionsAsync(column), v => Assert.Equal(2u, v));
        await using var reader = after.Open();
        Assert.Equal("ada", (await reader.People.SingleAsync(p => p.Number == people[0].Number)).Code);
        Assert.Equal(3, (await reader.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true)).Number);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Disabled_search_version_makes_equality_fail_and_leaves_other_reads_alone(int version)
    {
        await SaveAsync("old");
        await using (var db = Main.Open())
        {
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
        }

        await SaveAsync("new");
        await SetStatusAsync(version, "disabled");

        var instance = NewInstance();
        await using var other = instance.Open();
        string[] list = ["old", "new"];
        foreach (var query in new IQueryable<Person>[]
        {
            other.People.Where(p => p.Code == "new"), other.People.Where(p => p.Code != "new"), other.People.Where(p => p.Email == "new@example.org"),
            other.People.Where(p => list.Contains(p.Code)), other.People.Where(p => list.Contains(p.Email)), other.People.Where(p => p.Number == "x"),
            other.People.Where(p => p.First == "x" && p.Last == "y"),
        })
        {
            var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => query.Select(p => p.Id).ToListAsync());
            Assert.Contains($"'default:v{version}'", e.Message, StringComparison.Ordinal);
            Assert.Throws<KeyUnavailableException>(() => query.Any());
        }

        // Randomized values were written under the versions 1 and 3.
        var (oldId, newId) = (_rows[0].Id, _rows[1].Id);
        Assert.Equal("secret of new", await other.People.Where(p => p.Id == newId).Select(p => p.Secret).SingleAsync());
        if (version == 1)
            await Assert.ThrowsAsync<KeyUnavailableException>(() => other.People.Where(p => p.Id == oldId).Select(p => p.Secret).SingleAsync());
        else
            Assert.Equal("secret of old", await other.People.Where(p => p.Id == oldId).Select(p => p.Secret).SingleAsync());
        Assert.Equal(2, await other.People.CountAsync());

        await SetStatusAsync(version, "enabled");
        await using var mended = NewInstance().Open();
        Assert.Equal(2, await mended.People.CountAsync(p => list.Contains(p.Code)));
    }

    [Fact]
    public async Task Third_search_version_is_refused_and_nothing_is_changed()
    {
        await SaveAsync("ada");
        await using var db = Main.Open();
        await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        var keys = await db.Database.GetEnvelopeKeysAsync();

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true));

        Assert.Contains("live in searches already", e.Message, StringComparison.Ordinal);
        var after = await db.Database.GetEnvelopeKeysAsync();
        Assert.Equal(keys.Select(k => (k.Version, k.Status, k.EncryptsFrom, k.EncryptsUntil, k.SearchesFrom, k.Revision)), after.Select(k => (k.Version, k.Status, k.EncryptsFrom, k.EncryptsUntil, k.SearchesFrom, k.Revision)));
        await AssertAllFoundAsync();
    }

    [Fact]
    public async Task Process_whose_ring_is_older_than_the_rotation_misses_no_row_and_lets_no_duplicate_in()
    {
        await SaveAsync("ada", "bob");
        var old = NewInstance();
        await using (var db = old.Open())
            Assert.Equal(1, await db.People.CountAsync(p => p.Code == "ada"));
        await using (var db = Main.Open())
            await db.Database.RotateEnvelopeKeyAsync(includeSearch: true);

        // The options' delay is as long as a ring may live, so both clocks reach the new version's time with rings that know it.
        for (var hour = 0; hour < 9; hour++)
        {
            await SaveAsync("ada");
            await using var db = old.Open();
            Assert.Equal(_rows.Count(r => r.Code == "ada"), await db.People.CountAsync(p => p.Code == "ada"));
            Assert.Equal(_rows.Count(r => r.Code == "ada"), await db.People.CountAsync(p => p.Email == "ada@example.org"));
            foreach (var kind in Kinds)
            {
                db.ChangeTracker.Clear();
                db.Add(Person.With(kind, _rows[^1].Get(kind)));
                AssertDuplicate(await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync()));
            }

            Main.Time.Advance(TimeSpan.FromHours(1));
            old.Time.Advance(TimeSpan.FromHours(1));
        }

        Assert.All(await VersionsAsync("Code"), v => Assert.Equal(1u, v));
    }

    [Fact]
    public async Task Process_that_does_not_know_that_a_version_was_destroyed_writes_nothing_under_it()
    {
        await SaveAsync("ada");
        await using (var db = Main.Open())
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        await SaveAsync("before");
        await SetStatusAsync(1, "destroyed");
        await Database.QueryAsync($"DELETE FROM {Database.Quote("People")}");

        // This process made the rotation, and its ring is fresh for hours.
        var other = NewInstance();
        await using (var db = other.Open())
        {
            db.Add(Person.With("number", "taken"));
            await db.SaveChangesAsync();
        }

        await using (var db = Main.Open())
        {
            db.Add(Person.With("number", "taken"));
            AssertDuplicate(await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync()));
            db.ChangeTracker.Clear();
            db.Add(Person.With("number", "free"));
            await db.SaveChangesAsync();
        }

        Assert.Equal([2u, 2u], await VersionsAsync("Number"));
    }

    [Fact]
    public async Task Primary_that_was_disabled_a_moment_ago_encrypts_nothing_more()
    {
        await SaveAsync("ada");
        await SetStatusAsync(1, "disabled");

        var e = await Assert.ThrowsAnyAsync<Exception>(() => SaveAsync("lost"));

        Assert.IsType<KeyUnavailableException>(e is DbUpdateException ? e.InnerException : e);
        Assert.Single(await VersionsAsync("Code"));
    }

    [Fact]
    public async Task Ring_past_its_time_reads_and_does_not_search_while_the_key_store_cannot_be_read()
    {
        await SaveAsync("ada");
        var id = _rows[0].Id;
        await Database.QueryAsync($"DROP TABLE {Database.Quote("__EnvelopeKeys")}");
        await using var db = Main.Open();
        Assert.Equal(1, await db.People.CountAsync(p => p.Code == "ada"));
        Main.Time.Advance(TimeSpan.FromHours(10));

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => db.People.CountAsync(p => p.Code == "ada"));

        Assert.Contains("a search could miss rows", e.Message, StringComparison.Ordinal);
        Assert.Throws<KeyUnavailableException>(() => db.People.Count(p => p.Email == "ada@example.org"));
        Assert.Equal("secret of ada", (await db.People.SingleAsync(p => p.Id == id)).Secret);
    }

    [Fact]
    public async Task Empty_database_answers_equality_with_no_rows_and_makes_no_key()
    {
        await using var db = Main.Open();
        string[] list = ["a", "b"];

        Assert.False(await db.People.AnyAsync(p => p.Code == "ada"));
        Assert.Empty(db.People.Where(p => p.Email == "ada@example.org").ToList());
        Assert.Empty(await db.People.Where(p => list.Contains(p.Code) || list.Contains(p.Email)).ToListAsync());
        Assert.Null(await db.People.FirstOrDefaultAsync(p => p.First == "a" && p.Last == "b"));
        Assert.Equal(0, await db.People.CountAsync(p => p.Number != "1"));
        Assert.Null(await _byNumber(db, "1"));
        Assert.Empty(await db.People.Join(db.Orders, p => p.Code, o => o.Code, (p, o) => p.Id).ToListAsync());

        Assert.Empty(await db.Database.GetEnvelopeKeysAsync());
    }

    /// <summary>Gets how many write at once.</summary>
    protected virtual int Writers => 8;

    private Instance Main => _main!;

    private Instance NewInstance(bool count = false) => new(this, new FakeTimeProvider(DateTimeOffset.UtcNow), null, count);

    private Instance NewInstance(TimeProvider time) => new(this, new FakeTimeProvider(), time, false);

    private async Task SaveAsync(params string[] names)
    {
        await using var db = Main.Open();
        foreach (var name in names)
        {
            var person = Person.Of(name);
            db.Add(person);
            await db.SaveChangesAsync();
            _rows.Add(person);
        }
    }

    private async Task AssertAllFoundAsync()
    {
        await using var db = Main.Open();
        foreach (var code in _rows.Select(r => r.Code).Distinct())
        {
            var email = $"{code}@example.org";
            var found = _rows.Where(r => r.Code == code).Select(r => r.Id).ToList();
            var rest = _rows.Where(r => r.Code != code).Select(r => r.Id).ToList();
            Assert.Equal(found, await db.People.Where(p => p.Code == code).OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
            Assert.Equal(found, db.People.Where(p => p.Email == email).OrderBy(p => p.Id).Select(p => p.Id).ToList());
            Assert.Equal(rest, await db.People.Where(p => p.Code != code).OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
            Assert.Equal(rest, await db.People.Where(p => p.Email != email).OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
            Assert.Equal(found.Count, await db.People.CountAsync(p => p.Code == code));
            Assert.Equal(found.Count, db.People.Count(p => p.Email == email));
            Assert.True(await db.People.AnyAsync(p => p.Code == code));
            Assert.Equal(found[0], (await db.People.OrderBy(p => p.Id).FirstAsync(p => p.Email == email)).Id);
            Assert.Equal(found, _byCode(db, code));
            var compiled = new List<int>();
            await foreach (var id in _byEmail(db, email))
                compiled.Add(id);
            Assert.Equal(found, compiled);
            var codes = new List<string> { code, "eve" };
            string[] emails = [email, "eve@example.org"];
            var both = _rows.Where(r => codes.Contains(r.Code)).Select(r => r.Id).ToList();
            Assert.Equal(both, await db.People.Where(p => codes.Contains(p.Code)).OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
            Assert.Equal(both, await db.People.Where(p => emails.Contains(p.Email)).OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
            Assert.Equal(_rows.Select(r => r.Id).Except(both), db.People.Where(p => !emails.Contains(p.Email)).OrderBy(p => p.Id).Select(p => p.Id).ToList());
            Assert.Equal(both, _byCodes(db, codes));
        }

        foreach (var row in _rows)
        {
            Assert.Equal(row.Id, (await db.People.SingleAsync(p => p.Number == row.Number)).Id);
            Assert.Equal(row.Id, db.People.Single(p => p.Ssn == row.Ssn).Id);
            Assert.Equal(row.Id, (await db.People.SingleAsync(p => p.Group == row.Group && p.Badge == row.Badge)).Id);
            Assert.Equal(row.Id, (await db.People.SingleAsync(p => p.First == row.First && p.Last == row.Last)).Id);
            Assert.Equal(row.Id, (await _byNumber(db, row.Number))!.Id);
            Assert.Equal(row.Id, _bySsn(db, row.Ssn)!.Id);
        }

        Assert.False(await db.People.AnyAsync(p => p.Code == "nobody" || p.Email == "nobody" || p.Number == "nobody"));
        Assert.Null(await _byNumber(db, "nobody"));
    }

    private static async Task AssertColumnsCompareAsync(Instance instance, bool async)
    {
        await using var db = instance.Open();
        var join = db.People.Join(db.Orders, p => p.Code, o => o.Code, (p, o) => p.Code);
        Assert.Equal(["ada", "ada"], async ? await join.ToListAsync() : [.. join]);
        var buyers = db.People.Where(p => db.Orders.Select(o => o.Code).Contains(p.Code)).Select(p => p.Code);
        Assert.Equal(["ada"], async ? await buyers.ToListAsync() : [.. buyers]);
        var others = db.People.Where(p => !db.Orders.Any(o => o.Code == p.Code)).Select(p => p.Code);
        Assert.Equal(["bob"], async ? await others.ToListAsync() : [.. others]);
    }

    private static async Task AssertColumnsRefusedAsync(Instance instance, bool async)
    {
        await using var db = instance.Open();
        foreach (var query in new[]
        {
            db.People.Join(db.Orders, p => p.Code, o => o.Code, (p, o) => p.Code),
            db.People.Where(p => db.Orders.Select(o => o.Code).Contains(p.Code)).Select(p => p.Code),
            db.People.Where(p => !db.Orders.Any(o => o.Code == p.Code)).Select(p => p.Code),
        })
        {
            var e = async
                ? await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => query.ToListAsync())
                : Assert.Throws<EnvelopeConfigurationException>(() => query.ToList());
            Assert.Contains("while two key versions are live in searches", e.Message, StringComparison.Ordinal);
        }
    }

    // The database's own word for it, in the language of all three.
    private static void AssertDuplicate(Exception e)
    {
        var failure = Assert.IsAssignableFrom<DbException>(e is DbUpdateException ? e.InnerException : e);
        Assert.Contains("unique", failure.Message, StringComparison.OrdinalIgnoreCase);
    }

    // The version of what was written last.
    private async Task AssertVersionsAsync(uint values, uint compared, uint unique)
    {
        foreach (var column in new[] { "Email", "Ssn", "First", "Last", "Secret" })
            Assert.Equal((column, values), (column, (await VersionsAsync(column))[^1]));
        foreach (var column in new[] { "Code", "Email_BlindIndex" })
            Assert.Equal((column, compared), (column, (await VersionsAsync(column))[^1]));
        foreach (var column in new[] { "Number", "Ssn_BlindIndex", "Badge", "First_Last_BlindIndex" })
            Assert.Equal((column, unique), (column, (await VersionsAsync(column))[^1]));
    }

    private async Task<List<uint>> VersionsAsync(string column)
        => [.. (await Database.QueryAsync($"SELECT {Database.Quote(column)} FROM {Database.Quote("People")} ORDER BY {Database.Quote("Id")}"))
            .Select(bytes => BinaryPrimitives.ReadUInt32BigEndian(((byte[])bytes!).AsSpan(1)))];

    private Task SetStatusAsync(int version, string status)
        => Database.QueryAsync(
            $"UPDATE {Database.Quote("__EnvelopeKeys")} SET {Database.Quote("Status")} = '{status}'"
            + (status == "destroyed" ? $", {Database.Quote("WrappedKey")} = NULL" : "")
            + $" WHERE {Database.Quote("Version")} = {version} AND {Database.OfApplications}");

    /// <summary>A clock of its own gives a cache of keys of its own, as another process has.</summary>
    private sealed class Instance
    {
        private readonly DbContextOptions<PersonContext> _options;

        public Instance(SearchRotationSpecification test, FakeTimeProvider time, TimeProvider? real, bool count)
        {
            Time = time;
            var builder = new DbContextOptionsBuilder<PersonContext>(
                test.Options<PersonContext>(
                    e => e.UseTimeProvider(real ?? time)
                        .Configure(o => o with { RefreshInterval = TimeSpan.FromHours(10), ActivationDelay = TimeSpan.FromHours(10) })));
            if (count)
                builder.LogTo(_ => Interlocked.Increment(ref test._planned), (id, _) => id == CoreEventId.QueryExecutionPlanned);
            _options = builder.Options;
        }

        public FakeTimeProvider Time { get; }

        public PersonContext Open() => new(_options);
    }

    public sealed class PersonContext(DbContextOptions<PersonContext> options) : DbContext(options)
    {
        public DbSet<Person> People => Set<Person>();

        public DbSet<Order> Orders => Set<Order>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            var person = modelBuilder.Entity<Person>();
            person.Property(p => p.Code).IsEncrypted(EncryptionMode.Deterministic, context: "codes").HasMaxLength(100);
            person.Property(p => p.Number).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(100);
            person.Property(p => p.Badge).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(100);
            person.Property(p => p.Group).HasMaxLength(100);
            person.HasIndex(p => p.Code);
            person.HasIndex(p => p.Number).IsUnique();
            person.HasIndex(p => new { p.Group, p.Badge }).IsUnique();
            person.Property(p => p.Email).IsEncrypted().HasBlindIndex();
            person.Property(p => p.Ssn).IsEncrypted().HasBlindIndex(isUnique: true);
            person.Property(p => p.First).IsEncrypted();
            person.Property(p => p.Last).IsEncrypted();
            person.Property(p => p.Secret).IsEncrypted();
            person.HasBlindIndex(p => new { p.First, p.Last }, isUnique: true);
            modelBuilder.Entity<Order>().Property(o => o.Code).IsEncrypted(EncryptionMode.Deterministic, context: "codes").HasMaxLength(100);
        }
    }

    public sealed class Person
    {
        private const string OneGroup = "group";

        public int Id { get; set; }

        public required string Kind { get; set; }

        public required string Code { get; set; }

        public required string Email { get; set; }

        public required string Secret { get; set; }

        public string Number { get; set; } = $"{Guid.NewGuid():N}";

        public string Ssn { get; set; } = $"{Guid.NewGuid():N}";

        public string Group { get; set; } = OneGroup;

        public string Badge { get; set; } = $"{Guid.NewGuid():N}";

        public string First { get; set; } = "first";

        public string Last { get; set; } = $"{Guid.NewGuid():N}";

        public static Person Of(string name) => new() { Kind = "", Code = name, Email = $"{name}@example.org", Secret = $"secret of {name}" };

        public static Person With(string kind, string value)
        {
            var person = new Person { Kind = kind, Code = value, Email = value, Secret = value };
            person.Set(kind, value);
            return person;
        }

        public string Get(string kind)
            => kind switch
            {
                "number" => Number,
                "ssn" => Ssn,
                "badge" => Badge,
                "name" => Last,
                _ => throw new ArgumentOutOfRangeException(nameof(kind)),
            };

        public void Set(string kind, string value)
        {
            _ = kind switch
            {
                "number" => Number = value,
                "ssn" => Ssn = value,
                "badge" => Badge = value,
                "name" => Last = value,
                _ => throw new ArgumentOutOfRangeException(nameof(kind)),
            };
        }
    }

    public sealed class Order
    {
        public int Id { get; set; }

        public required string Code { get; set; }
    }
}
