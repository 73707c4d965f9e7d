using System.Buffers.Binary;
using System.Buffers.Text;
using System.Data.Common;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// Unique values move from one key version to the next in phases that no two processes enter at one moment. In every phase, and between processes that are
/// in neighbouring ones, a duplicate is refused: by what stands in a first column or by what stands in its second one.
/// </summary>
public abstract class UniqueRotationSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    // The first column of each second one.
    private static readonly string[] Columns = ["Number", "Code", "Badge", "Ssn_BlindIndex", "First_Last_BlindIndex", "Home_Door"];

    private static readonly string[] Kinds = ["number", "code", "badge", "ssn", "name", "door"];

    private int _phase;

    public static TheoryData<int> Phases => [0, 1, 2, 3];

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var db = NewInstance().Open();
        await db.Database.EnsureCreatedAsync();
        db.Add(Person.Of("first"));
        await db.SaveChangesAsync();
    }

    [Theory]
    [MemberData(nameof(Phases))]
    public async Task Both_columns_hold_what_the_neighbouring_phases_look_at(int phase)
    {
        await EnterAsync(phase);
        await using var db = NewInstance().Open();

        var person = Person.Of("inserted");
        db.Add(person);
        await db.SaveChangesAsync();
        await AssertStoredAsync(person.Id, phase);

        foreach (var kind in Kinds)
            person.Set(kind, "tracked");
        await db.SaveChangesAsync();
        await AssertStoredAsync(person.Id, phase);

        var bulk = Person.Of("in bulk");
        await db.People.Where(p => p.Id == person.Id).ExecuteUpdateAsync(
            s => s.SetProperty(p => p.Number, bulk.Number).SetProperty(p => p.Code, "in bulk").SetProperty(p => p.Badge, bulk.Badge)
                .SetProperty(p => p.Ssn, bulk.Ssn).SetProperty(p => p.First, bulk.First).SetProperty(p => p.Last, bulk.Last)
                .SetProperty(p => p.Home!.Door, bulk.Home!.Door));
        await AssertStoredAsync(person.Id, phase);
        db.ChangeTracker.Clear();
        Assert.Equivalent(bulk.Texts, (await db.People.SingleAsync(p => p.Number == bulk.Number && p.Ssn == bulk.Ssn)).Texts, strict: true);

        // Nothing has no second value either.
        await db.People.Where(p => p.Id == person.Id).ExecuteUpdateAsync(
            s => s.SetProperty(p => p.Code, (string?)null).SetProperty(p => p.Ssn, (string?)null));
        Assert.Equal([null, null, null, null], (await ReadAsync(person.Id, "Code")).Concat(await ReadAsync(person.Id, "Ssn_BlindIndex")));
        var none = Person.Of("none");
        (none.Code, none.Ssn, none.Home) = (null, null, null);
        db.Add(none);
        await db.SaveChangesAsync();
        foreach (var column in new[] { "Code", "Ssn_BlindIndex", "Home_Door" })
            Assert.Equal([null, null], await ReadAsync(none.Id, column));
    }

    [Theory]
    [MemberData(nameof(Phases))]
    public async Task Raw_SQL_is_given_what_the_second_columns_store(int phase)
    {
        await EnterAsync(phase);
        await using var db = NewInstance().Open();
        var number = await db.Database.EncryptParametersAsync((Person p) => p.Number, "n");
        var code = await db.Database.EncryptParametersAsync((Person p) => p.Code, "c");
        var ssn = await db.Database.EncryptParametersAsync((Person p) => p.Ssn, "s");

        Assert.Equal(["Number_Next"], number.BlindIndexes.Keys);
        Assert.Equal(["Code_Next"], code.BlindIndexes.Keys);
        Assert.Equal(["Ssn_BlindIndex", "Ssn_BlindIndex_Next"], ssn.BlindIndexes.Keys.Order());
        Assert.Equal(phase is 0 or 3, number.BlindIndexes["Number_Next"].Value is DBNull);
        await db.Database.ExecuteSqlRawAsync(
            string.Join(
                ' ',
                $"UPDATE {Database.Quote("People")} SET {Database.Quote("Number")} = {{0}}, {Database.Quote("Number_Next")} = {{1}},",
                $"{Database.Quote("Code")} = {{2}}, {Database.Quote("Code_Next")} = {{3}},",
                $"{Database.Quote("Ssn")} = {{4}}, {Database.Quote("Ssn_BlindIndex")} = {{5}}, {Database.Quote("Ssn_BlindIndex_Next")} = {{6}}"),
            number.Value, number.BlindIndexes["Number_Next"], code.Value, code.BlindIndexes["Code_Next"],
            ssn.Value, ssn.BlindIndexes["Ssn_BlindIndex"], ssn.BlindIndexes["Ssn_BlindIndex_Next"]);

        await AssertStoredAsync(1, phase, "Number", "Code", "Ssn_BlindIndex");
        Assert.Equal(1, (await db.People.SingleAsync(p => p.Number == "n" && p.Code == "c" && p.Ssn == "s")).Id);
        var nothing = await db.Database.EncryptParametersAsync((Person p) => p.Code, null);
        Assert.Equal([DBNull.Value, DBNull.Value], new[] { nothing.Value.Value, nothing.BlindIndexes["Code_Next"].Value });
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(2, true)]
    public async Task Writers_of_neighbouring_phases_refuse_each_others_duplicates(int phase, bool laterFirst)
    {
        await EnterAsync(phase);
        var earlier = NewInstance();
        await earlier.LoadAsync();
        await EnterAsync(phase + 1);
        var later = NewInstance();
        await later.LoadAsync();
        var (first, second) = laterFirst ? (later, earlier) : (earlier, later);

        await using (var db = first.Open())
        {
            db.Add(Person.With("taken"));
            await db.SaveChangesAsync();
        }

        // Each of them alone, inserted and updated.
        await using (var db = second.Open())
        {
            var other = Person.Of("other");
            db.Add(other);
            await db.SaveChangesAsync();
            foreach (var kind in Kinds)
            {
                db.ChangeTracker.Clear();
                var duplicate = Person.Of("duplicate");
                duplicate.Set(kind, "taken");
                db.Add(duplicate);
                AssertDuplicate(await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync()));
                db.ChangeTracker.Clear();
                (await db.People.SingleAsync(p => p.Id == other.Id)).Set(kind, "taken");
                AssertDuplicate(await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync()));
            }

            var rows = db.People.Where(p => p.Id == other.Id);
            AssertDuplicate(await Assert.ThrowsAnyAsync<DbException>(() => rows.ExecuteUpdateAsync(s => s.SetProperty(p => p.Number, "taken"))));
            AssertDuplicate(await Assert.ThrowsAnyAsync<DbException>(() => rows.ExecuteUpdateAsync(s => s.SetProperty(p => p.Code, "taken"))));
            AssertDuplicate(await Assert.ThrowsAnyAsync<DbException>(() => rows.ExecuteUpdateAsync(s => s.SetProperty(p => p.Ssn, "taken"))));
            AssertDuplicate(
                await Assert.ThrowsAnyAsync<DbException>(
                    () => rows.ExecuteUpdateAsync(s => s.SetProperty(p => p.First, "first").SetProperty(p => p.Last, "taken"))));
        }

        // The rings are still those of their phases, except where the proof before a write finds that they have to be read anew: a version is searched by now
        // that the ring does not know, or one is retired that it writes under.
        await AssertPhaseAsync(earlier, phase == 1 ? phase : phase + 1);
        await AssertPhaseAsync(later, phase + 1);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Of_two_who_write_one_value_at_one_moment_in_neighbouring_phases_one_wins(int phase)
    {
        await EnterAsync(phase);
        var earlier = NewInstance();
        await earlier.LoadAsync();
        await EnterAsync(phase + 1);
        var later = NewInstance();
        await later.LoadAsync();

        for (var round = 0; round < 5; round++)
        {
            foreach (var kind in Kinds)
            {
                var value = $"{kind}-{round}";
                var failures = await Task.WhenAll(new[] { earlier, later, earlier, later }.Select(i => Task.Run(() => i.TrySaveAsync(kind, value))));
                Assert.All(failures.OfType<Exception>(), AssertDuplicate);
                Assert.Equal(3, failures.Count(f => f is not null));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Phases))]
    public async Task Rows_of_the_phases_before_are_found_and_one_may_take_what_another_gives_up(int phase)
    {
        for (var entered = 0; entered <= phase; entered++)
        {
            await EnterAsync(entered);
            await using var writer = NewInstance().Open();
            writer.Add(Person.With($"of {entered}"));

            // What the job does for rows that were there: each phase needs what the one before prepared.
            writer.UpdateRange(await writer.People.AsNoTracking().ToListAsync());
            await writer.SaveChangesAsync();
        }

        await using var db = NewInstance().Open();
        for (var entered = 0; entered <= phase; entered++)
        {
            var value = $"of {entered}";
            var person = await db.People.SingleAsync(p => p.Number == value);
            Assert.Equal(person.Id, (await db.People.SingleAsync(p => p.Code == value)).Id);
            Assert.Equal(person.Id, (await db.People.SingleAsync(p => p.Ssn == value)).Id);
            Assert.Equal(person.Id, (await db.People.SingleAsync(p => p.Group == "group" && p.Badge == value)).Id);
            Assert.Equal(person.Id, (await db.People.SingleAsync(p => p.First == "first" && p.Last == value)).Id);
            Assert.Equal(person.Id, (await db.People.SingleAsync(p => p.Home!.Door == value)).Id);
        }

        var (giver, taker) = (await db.People.SingleAsync(p => p.Id == 1), await db.People.SingleAsync(p => p.Number == "of 0"));
        var given = giver.Texts;
        foreach (var kind in Kinds)
        {
            taker.Set(kind, giver.Get(kind));
            giver.Set(kind, "given up");
        }

        await db.SaveChangesAsync();
        db.ChangeTracker.Clear();
        taker = await db.People.SingleAsync(p => p.Number == given[0] && p.Ssn == given[3]);
        Assert.Equal(given, taker.Texts);
        await AssertStoredAsync(taker.Id, phase);

        // Also what the row of a deleted entity held.
        db.Remove(taker);
        var heir = Person.Of("heir");
        foreach (var kind in Kinds)
            heir.Set(kind, taker.Get(kind));
        db.Add(heir);
        await db.SaveChangesAsync();
        await AssertStoredAsync(heir.Id, phase);
    }

    [Fact]
    public async Task Change_of_something_else_leaves_the_second_columns_alone()
    {
        await EnterAsync(1);
        var instance = NewInstance();
        await using (var db = instance.Open())
        {
            (await db.People.SingleAsync()).Note = "new";
            await db.SaveChangesAsync();
        }

        await AssertStoredAsync(1, phase: 0);
        await using (var db = instance.Open())
        {
            var attached = await db.People.AsNoTracking().SingleAsync();
            attached.Note = "newer";
            db.Update(attached);
            foreach (var property in db.Entry(attached).Properties.Where(p => p.Metadata.Name is not (nameof(Person.Note) or "Number_Next" or "Ssn_BlindIndex_Next")))
                property.IsModified = false;
            await db.SaveChangesAsync();
        }

        await AssertStoredAsync(1, phase: 0, "Number", "Ssn_BlindIndex");
        await using (var db = instance.Open())
        {
            db.Update(await db.People.AsNoTracking().SingleAsync());
            await db.SaveChangesAsync();
        }

        await AssertStoredAsync(1, phase: 1);
    }

    [Fact]
    public async Task Queries_do_not_compare_or_change_a_second_column()
    {
        await using var db = NewInstance().Open();
        foreach (var query in new[]
        {
            db.People.Where(p => EF.Property<Envelope>(p, "Number_Next") == EF.Property<Envelope>(p, "Ssn_BlindIndex_Next")),
            db.People.Where(p => EF.Property<Envelope>(p, "Number_Next") != EF.Property<Envelope>(p, "Badge_Next")),
            db.People.OrderBy(p => EF.Property<Envelope>(p, "Number_Next")),
            db.People.Join(db.People, p => EF.Property<Envelope>(p, "Number_Next"), p => EF.Property<Envelope>(p, "Number_Next"), (p, _) => p),
        })
        {
            var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => query.Select(p => p.Id).ToListAsync());
            Assert.StartsWith("'Person.Number_Next' is encrypted, so the database cannot", e.Message, StringComparison.Ordinal);
        }

        var update = await Assert.ThrowsAsync<EnvelopeConfigurationException>(
            () => db.People.ExecuteUpdateAsync(s => s.SetProperty(p => EF.Property<Envelope?>(p, "Number_Next"), (Envelope?)null)));
        Assert.Contains("'Person.Number_Next'", update.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_version_that_is_disabled_while_unique_values_move_to_it_stops_writes_instead_of_leaving_the_second_column_empty()
    {
        await EnterAsync(1);
        await SetAsync(2, "Status", "disabled");
        await using var db = NewInstance().Open();
        db.Add(Person.Of("lost"));

        var e = await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());

        Assert.IsType<KeyUnavailableException>(e.InnerException);
        Assert.Equal(1, await db.People.CountAsync());
    }

    // The database's own word for it, in the language of all three.
    private static void AssertDuplicate(Exception e)
    {
        var failure = Assert.IsAssignableFrom<DbException>(e is DbUpdateException ? e.InnerException : e);
        Assert.Contains("unique", failure.Message, StringComparison.OrdinalIgnoreCase);
    }

    private async Task AssertPhaseAsync(Instance instance, int phase)
    {
        await using var db = instance.Open();
        var person = Person.Of("probe");
        db.Add(person);
        await db.SaveChangesAsync();
        await AssertStoredAsync(person.Id, phase);
    }

    private async Task AssertStoredAsync(int id, int phase, params string[] columns)
    {
        foreach (var column in columns.Length > 0 ? columns : Columns)
        {
            var stored = await ReadAsync(id, column);
            Assert.Equal((column, phase < 2 ? 1u : 2u), (column, VersionOf(stored[0]!)));
            Assert.Equal((column, phase is 1 or 2 ? 2u : null), (column, stored[1] is { } next ? VersionOf(next) : (uint?)null));
            if (phase == 2)
                Assert.Equal(stored[0], stored[1]);
        }
    }

    private async Task<object?[]> ReadAsync(int id, string column)
    {
        var found = new List<object?>();
        foreach (var name in new[] { column, $"{column}_Next" })
            found.AddRange(await Database.QueryAsync($"SELECT {Database.Quote(name)} FROM {Database.Quote("People")} WHERE {Database.Quote("Id")} = {id}"));
        return [.. found];
    }

    private static uint VersionOf(object stored)
        => BinaryPrimitives.ReadUInt32BigEndian((stored as byte[] ?? Base64Url.DecodeFromChars(((string)stored).AsSpan("efenvelope:v1:".Length))).AsSpan(1));

    private async Task EnterAsync(int phase)
    {
        while (_phase < phase)
        {
            switch (++_phase)
            {
                case 1:
                    await using (var db = NewInstance().Open())
                        await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
                    break;
                case 2:
                    await SetAsync(2, "UniqueFrom", "2020-01-01T00:00:00.0000000Z");
                    break;
                case 3:
                    await SetAsync(1, "RetiredAt", "2020-01-01T00:00:00.0000000Z");
                    break;
            }
        }
    }

    private Task SetAsync(int version, string column, string value)
        => Database.QueryAsync(
            $"UPDATE {Database.Quote("__EnvelopeKeys")} SET {Database.Quote(column)} = '{value}'"
            + $" WHERE {Database.Quote("Version")} = {version} AND {Database.OfApplications}");

    private Instance NewInstance() => new(this);

    /// <summary>A clock of its own gives a cache of keys of its own, as another process has.</summary>
    private sealed class Instance(UniqueRotationSpecification test)
    {
        private readonly DbContextOptions<PersonContext> _options = test.Options<PersonContext>(
            e => e.UseTimeProvider(new FakeTimeProvider(DateTimeOffset.UtcNow))
                .Configure(o => o with { RefreshInterval = TimeSpan.FromHours(10), ActivationDelay = TimeSpan.FromHours(10) }));

        public PersonContext Open() => new(_options);

        public async Task LoadAsync()
        {
            await using var db = Open();
            await db.Database.LoadEnvelopeKeysAsync();
        }

        public async Task<Exception?> TrySaveAsync(string kind, string value)
        {
            await using var db = Open();
            var person = Person.Of(value);
            person.Set(kind, value);
            db.Add(person);
            return await Record.ExceptionAsync(() => db.SaveChangesAsync());
        }
    }

    public sealed class PersonContext(DbContextOptions<PersonContext> options) : DbContext(options)
    {
        public DbSet<Person> People => Set<Person>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
            => modelBuilder.Entity<Person>(
                person =>
                {
                    person.Property(p => p.Number).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                    person.HasIndex(p => p.Number).IsUnique();
                    person.Property(p => p.Code).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text).HasMaxLength(50);
                    person.HasIndex(p => p.Code).IsUnique();
                    person.Property(p => p.Badge).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                    person.Property(p => p.Group).HasMaxLength(50);
                    person.HasIndex(p => new { p.Group, p.Badge }).IsUnique();
                    person.Property(p => p.Ssn).IsEncrypted().HasBlindIndex(isUnique: true);
                    person.Property(p => p.First).IsEncrypted();
                    person.Property(p => p.Last).IsEncrypted();
                    person.HasBlindIndex(p => new { p.First, p.Last }, isUnique: true);
                    person.OwnsOne(
                        p => p.Home,
                        home =>
                        {
                            home.Property(h => h.Door).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                            home.HasIndex(h => h.Door).IsUnique();
                        });
                });
    }

    public sealed class Person
    {
        public int Id { get; set; }

        public string? Note { get; set; }

        public string Number { get; set; } = "";

        public string? Code { get; set; }

        public string Group { get; set; } = "group";

        public string Badge { get; set; } = "";

        public string? Ssn { get; set; }

        public string First { get; set; } = "first";

        public string Last { get; set; } = "";

        public Address? Home { get; set; } = new();

        public string?[] Texts => [Number, Code, Badge, Ssn, First, Last, Home?.Door];

        /// <summary>Makes one whose values nobody else has.</summary>
        public static Person Of(string name)
        {
            var person = new Person();
            foreach (var kind in Kinds)
                person.Set(kind, name == "in bulk" && kind == "code" ? name : $"{name} {Guid.NewGuid():N}");
            return person;
        }

        public static Person With(string value)
        {
            var person = new Person();
            foreach (var kind in Kinds)
                person.Set(kind, value);
            return person;
        }

        public string Get(string kind)
            => kind switch
            {
                "number" => Number,
                "code" => Code!,
                "badge" => Badge,
                "ssn" => Ssn!,
                "name" => Last,
                "door" => Home!.Door,
                _ => throw new ArgumentOutOfRangeException(nameof(kind)),
            };

        public void Set(string kind, string value)
        {
            _ = kind switch
            {
                "number" => Number = value,
                "code" => Code = value,
                "badge" => Badge = value,
                "ssn" => Ssn = value,
                "name" => Last = value,
                "door" => Home!.Door = value,
                _ => throw new ArgumentOutOfRangeException(nameof(kind)),
            };
        }
    }

    public sealed class Address
    {
        public string Door { get; set; } = "";
    }
}
