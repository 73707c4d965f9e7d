using System.Buffers.Text;
using System.Linq.Expressions;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Text columns that stay text: what they hold, and how rows of before are read and found until all are encrypted.</summary>
public abstract class TextStorageSpecification(TestDatabase database) : AdHocSpecification(database)
{
    private const string Prefix = "efenvelope:v1:";

    private static readonly Dictionary<string, Action<PropertyBuilder<string?>>> Kinds = new()
    {
        ["randomized"] = p => p.IsEncrypted(storage: EncryptedStorage.Text),
        ["deterministic"] = p => p.IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text),
        ["randomized with a blind index"] = p => p.IsEncrypted(storage: EncryptedStorage.Text).HasBlindIndex(),
    };

    public static TheoryData<string> All => new(Kinds.Keys);

    public static TheoryData<string> Searched => new(Kinds.Keys.Except(["randomized"]));

    [Theory]
    [MemberData(nameof(All))]
    public async Task Envelopes_are_kept_as_text_with_a_prefix_and_read_back(string kind)
    {
        await CreateAsync(b => Map(b, kind));
        await SaveAsync(
            new Note { Id = 1, Body = "a plain secret", Kind = Grade.Excellent, Plain = "plain" },
            new Note { Id = 2, Body = null, Kind = Grade.Poor, Plain = "plain" },
            new Note { Id = 3, Body = "", Kind = Grade.Poor, Plain = "plain" });

        var stored = await ReadTextAsync();
        AssertEncrypted(stored[0], kind == "deterministic" ? 0xFA : 0xF9, "a plain secret");
        Assert.Null(stored[1]);
        AssertEncrypted(stored[2], kind == "deterministic" ? 0xFA : 0xF9);
        Assert.All(await ReadTextAsync("Kind"), text => AssertEncrypted(text, 0xF9, "Excellent"));

        await using var db = Open();
        var type = db.Model.FindEntityType(typeof(Note))!;
        Assert.Equal(TypeOf(nameof(Note.Plain)), TypeOf(nameof(Note.Body)));
        Assert.Equal(TypeOf(nameof(Note.Plain)), TypeOf(nameof(Note.Kind)));
        Assert.Equal(
            [("a plain secret", Grade.Excellent), (null, Grade.Poor), ("", Grade.Poor)],
            (await db.Set<Note>().OrderBy(n => n.Id).ToListAsync()).Select(n => (n.Body, n.Kind)));
        Assert.Equal(["a plain secret", null, ""], await db.Set<Note>().OrderBy(n => n.Id).Select(n => n.Body).ToListAsync());
        Assert.Equal([2], await db.Set<Note>().Where(n => n.Body == null).Select(n => n.Id).ToListAsync());

        string TypeOf(string property) => type.FindProperty(property)!.GetRelationalTypeMapping().StoreType;
    }

    [Theory]
    [MemberData(nameof(Searched))]
    public async Task Queries_find_what_is_kept_as_text(string kind)
    {
        await CreateAsync(b => Map(b, kind));
        await SaveAsync(Ada(1), new Note { Id = 2, Body = "bea" }, new Note { Id = 3 }, Ada(4), new Note { Id = 5, Body = "" });

        await AssertAnswersAsync();
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Rows_of_before_are_read_beside_encrypted_ones_while_backfilling(string kind)
    {
        await CreateAsync(b => Map(b, kind, backfilling: true));
        await AddPlaintextAsync();
        await SaveAsync(Ada(2));

        await using var db = Open();
        Assert.Equal(["ada", "ada", "bea", null, "", "efenvelope"], await db.Set<Note>().OrderBy(n => n.Id).Select(n => n.Body).ToListAsync());
        Assert.Equal(["ada", "ada", "bea", null, "", "efenvelope"], (await db.Set<Note>().OrderBy(n => n.Id).ToListAsync()).Select(n => n.Body));
    }

    [Fact]
    public async Task Raw_SQL_looks_for_both_in_one_column_or_is_told_to_wait()
    {
        await CreateAsync(b => b.Entity<Note>().Property(n => n.Body).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling());
        await using (var db = Open())
        {
            var search = await db.Database.EncryptSearchParametersAsync((Note n) => n.Body, "ada");
            Assert.Equal(3, search.Values.Count);
            Assert.Equal("ada", search.Values[2].Value);
        }

        Use(b => b.Entity<Note>().Property(n => n.Body).IsEncrypted(storage: EncryptedStorage.Text).HasBlindIndex().AllowPlaintextWhileBackfilling());
        await using var indexed = Open();
        var refused = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => indexed.Database.EncryptSearchParametersAsync((Note n) => n.Body, "ada"));
        Assert.Contains("'Note.Body' is being backfilled", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, "'AllowPlaintextWhileBackfilling()' is set on 'Note.Body'")]
    [InlineData(true, "'StorePlaintextDuringTransition()' is set on 'Note.Body'")]
    public async Task Rows_are_not_compared_with_each_other_while_the_column_may_hold_both(bool decrypting, string reason)
    {
        Use(
            b =>
            {
                var body = b.Entity<Note>().Property(n => n.Body).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text);
                _ = decrypting ? body.StorePlaintextDuringTransition() : body.AllowPlaintextWhileBackfilling();
            });
        await using var db = Open();

        var join = Assert.Throws<EnvelopeConfigurationException>(() => db.Set<Note>().Join(db.Set<Note>(), n => n.Body, n => n.Body, (a, b) => a.Id).ToQueryString());
        Assert.Contains(reason, join.Message, StringComparison.Ordinal);
        Assert.Throws<EnvelopeConfigurationException>(() => db.Set<Note>().GroupBy(n => n.Body).Select(g => g.Count()).ToQueryString());
        Assert.Throws<EnvelopeConfigurationException>(() => db.Set<Note>().Select(n => n.Body).Distinct().ToQueryString());
    }

    [Theory]
    [MemberData(nameof(Searched))]
    public async Task Queries_find_both_while_backfilling(string kind)
    {
        await CreateAsync(b => Map(b, kind, backfilling: true));
        await AddPlaintextAsync();
        await SaveAsync(Ada(2), new Note { Id = 7, Body = "cia" }, new Note { Id = 8 }, new Note { Id = 9, Body = "" });

        await AssertAnswersAsync();
        await using (var db = Open())
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        await SaveAsync(Ada(10), new Note { Id = 11, Body = "bea" });
        await AssertAnswersAsync();
    }

    [Theory]
    [MemberData(nameof(Searched))]
    public async Task A_subquerys_result_is_compared_with_both_or_refused_while_backfilling(string kind)
    {
        await CreateAsync(b => Map(b, kind, backfilling: true));
        await AddPlaintextAsync();
        await SaveAsync(Ada(2));
        await using var db = Open();
        var (value, list) = ("ada", new List<string?> { "ada", "bea" });
        var notes = db.Set<Note>();
        var right = (await notes.AsNoTracking().ToListAsync()).Where(n => n.Body == value).Select(n => n.Id).Order().ToList();

        // What is inside of the subquery is looked up as well, and must not come past the guard.
        var equal = notes.Where(n => notes.Where(m => m.Id == n.Id && m.Body == value).Select(m => m.Body).FirstOrDefault() == value).OrderBy(n => n.Id).Select(n => n.Id);
        var among = notes.Where(n => list.Contains(notes.Where(m => m.Id == n.Id && m.Body == value).Select(m => m.Body).FirstOrDefault())).OrderBy(n => n.Id).Select(n => n.Id);
        foreach (var query in new[] { equal, among })
        {
            if (kind == "deterministic")
                Assert.Equal(right, await query.ToListAsync());
            else
                Assert.Contains("in a subquery while it is backfilled", (await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => query.ToListAsync())).Message);
        }
    }

    [Theory]
    [MemberData(nameof(Searched))]
    public async Task Queries_find_values_under_two_live_versions(string kind)
    {
        await CreateAsync(b => Map(b, kind));
        await SaveAsync(Ada(1), new Note { Id = 2, Body = "bea" }, new Note { Id = 3 });
        await using (var db = Open())
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        await SaveAsync(Ada(4), new Note { Id = 5, Body = "" });

        await AssertAnswersAsync();
        if (kind == "deterministic")
            Assert.NotEqual((await ReadTextAsync())[0], (await ReadTextAsync())[3]);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Writes_are_always_encrypted_while_backfilling(string kind)
    {
        await CreateAsync(b => Map(b, kind, backfilling: true));
        await AddPlaintextAsync();
        await SaveAsync(Ada(2));
        await using (var db = Open())
        {
            var notes = await db.Set<Note>().OrderBy(n => n.Id).ToListAsync();
            notes[0].Body = "dea, once plain";
            await db.SaveChangesAsync();
            Assert.Equal(1, await db.Set<Note>().Where(n => n.Id == 3).ExecuteUpdateAsync(s => s.SetProperty(n => n.Body, "eva, once plain")));
            var value = "fay, once plain";
            Assert.Equal(1, await db.Set<Note>().Where(n => n.Id == 5).ExecuteUpdateAsync(s => s.SetProperty(n => n.Body, value)));
        }

        var stored = await ReadTextAsync();
        var header = kind == "deterministic" ? 0xFA : 0xF9;
        AssertEncrypted(stored[0], header, "dea, once plain");
        AssertEncrypted(stored[1], header);
        AssertEncrypted(stored[2], header, "eva, once plain");
        AssertEncrypted(stored[4], header, "fay, once plain");
        await using (var db = Open())
            Assert.Equal(["dea, once plain", "ada", "eva, once plain", null, "fay, once plain", "efenvelope"], await db.Set<Note>().OrderBy(n => n.Id).Select(n => n.Body).ToListAsync());
        if (kind != "randomized")
            await AssertAnswersAsync("dea, once plain", "eva, once plain");
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Backfill_ends_when_every_row_was_saved_again(string kind)
    {
        await CreateAsync(b => Map(b, kind, backfilling: true));
        await AddPlaintextAsync();
        await SaveAsync(Ada(2));
        await using (var db = Open())
        {
            foreach (var note in await db.Set<Note>().ToListAsync())
                db.Entry(note).Property(n => n.Body).IsModified = true;
            await db.SaveChangesAsync();
        }

        Use(b => Map(b, kind));
        Assert.All((await ReadTextAsync()).OfType<string>(), text => AssertEncrypted(text, kind == "deterministic" ? 0xFA : 0xF9));
        await using (var db = Open())
            Assert.Equal(["ada", "ada", "bea", null, "", "efenvelope"], await db.Set<Note>().OrderBy(n => n.Id).Select(n => n.Body).ToListAsync());
        if (kind != "randomized")
            await AssertAnswersAsync();
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Plaintext_row_raises_the_alarm_when_nothing_is_backfilled(string kind)
    {
        await CreateAsync(b => Map(b, kind, backfilling: true));
        await AddPlaintextAsync();
        Use(b => Map(b, kind));

        await using var db = Open();
        var e = await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => db.Set<Note>().SingleAsync(n => n.Id == 3));
        Assert.Equal(
            "Column 'Notes.Body' holds a value that is not an envelope. The row was written outside EfEnvelope, or altered; save it again through EF Core, or restore it.",
            e.Message);
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => db.Set<Note>().Where(n => n.Id == 3).Select(n => n.Body).SingleAsync());
        if (kind != "randomized")
            Assert.Equal(0, await db.Set<Note>().CountAsync(n => n.Body == "bea"));
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("no Base64url")]
    [InlineData("a short one")]
    [InlineData("a plaintext")]
    [InlineData("a cut one")]
    [InlineData("a changed one")]
    [InlineData("one with white space")]
    [InlineData("one with padding")]
    [InlineData("one with stray bits")]
    [InlineData("one of another column")]
    public async Task Text_that_begins_like_an_envelope_and_is_none_raises_the_alarm_also_while_backfilling(string kind)
    {
        await CreateAsync(
            b =>
            {
                Map(b, "randomized", backfilling: true);
                b.Entity<Note>().Property(n => n.Plain).IsEncrypted(storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling();
            });
        await SaveAsync(new Note { Id = 1, Body = "a plain secret", Plain = "another secret" });
        var right = (string)(await ReadTextAsync())[0]!;
        var wrong = kind switch
        {
            "nothing" => Prefix,
            "no Base64url" => Prefix + "!?",
            "a short one" => Prefix + "AAAA",
            "a plaintext" => Prefix + Base64Url.EncodeToString("a plaintext of some length, longer than any overhead"u8),
            "a cut one" => right[..^4],
            "one with white space" => right.Insert(30, " "),
            "one with padding" => right + "=",
            "one with stray bits" => right[..^1] + (char)(right[^1] + 1),
            "a changed one" => right[..^6] + (right[^6] == 'A' ? 'B' : 'A') + right[^5..],
            _ => (string)(await ReadTextAsync("Plain"))[0]!,
        };
        await UpdateStoredAsync(wrong);

        await using var db = Open();
        var e = await Assert.ThrowsAnyAsync<EnvelopeException>(() => db.Set<Note>().SingleAsync());
        Assert.IsType<EnvelopeDecryptionException>(e);
        Assert.Contains("'Notes.Body'", e.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => db.Set<Note>().Select(n => n.Body).SingleAsync());
        await UpdateStoredAsync(right);
        Assert.Equal("a plain secret", await db.Set<Note>().Select(n => n.Body).SingleAsync());
    }

    [Theory]
    [MemberData(nameof(Searched))]
    public async Task Stored_envelope_is_no_value_that_a_query_finds(string kind)
    {
        await CreateAsync(b => Map(b, kind, backfilling: true));
        await SaveAsync(Ada(1));
        var stored = (string)(await ReadTextAsync())[0]!;

        await using var db = Open();
        Assert.Equal(0, await db.Set<Note>().CountAsync(n => n.Body == stored));
        string[] list = [stored, "bea"];
        Assert.Equal(0, await db.Set<Note>().CountAsync(n => list.Contains(n.Body)));
    }

    [Fact]
    public async Task Value_that_begins_like_an_envelope_is_encrypted_as_any_other()
    {
        await CreateAsync(b => Map(b, "deterministic", backfilling: true));
        await SaveAsync(new Note { Id = 1, Body = Prefix + "AAAA" });

        AssertEncrypted((await ReadTextAsync())[0], 0xFA);
        await using var db = Open();
        Assert.Equal(Prefix + "AAAA", (await db.Set<Note>().SingleAsync(n => n.Body == Prefix + "AAAA")).Body);
    }

    [Fact]
    public async Task Unique_index_over_deterministic_text_refuses_a_duplicate()
    {
        await CreateAsync(
            b =>
            {
                Map(b, "deterministic");
                b.Entity<Note>().Property(n => n.Body).HasMaxLength(50);
                b.Entity<Note>().HasIndex(n => n.Body).IsUnique();
            });
        await SaveAsync(Ada(1), new Note { Id = 2, Body = "bea" });

        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(Ada(3)));
        await using (var db = Open())
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(Ada(3)));
        await AssertAnswersAsync();
    }

    [Fact]
    public async Task Text_of_the_full_length_fits_and_is_found()
    {
        await CreateAsync(
            b =>
            {
                Map(b, "deterministic", backfilling: true);
                b.Entity<Note>().Property(n => n.Body).HasMaxLength(20);
            });
        var longest = new string('€', 20);
        var tooLong = new string('x', 500);
        await SaveAsync(new Note { Id = 1, Body = longest });

        await using var db = Open();
        Assert.Equal(longest, (await db.Set<Note>().SingleAsync(n => n.Body == longest)).Body);
        Assert.Equal(0, await db.Set<Note>().CountAsync(n => n.Body == tooLong));
    }

    private static void Map(ModelBuilder modelBuilder, string kind, bool backfilling = false)
        => modelBuilder.Entity<Note>(
            b =>
            {
                b.ToTable("Notes");
                b.Property(n => n.Id).ValueGeneratedNever();
                var body = b.Property(n => n.Body);
                Kinds[kind](body);
                if (backfilling)
                    body.AllowPlaintextWhileBackfilling();
                b.Property(n => n.Kind).HasConversion<string>().IsEncrypted(storage: EncryptedStorage.Text);
            });

    private static Note Ada(int id) => new() { Id = id, Body = "ada" };

    // Rows from before anything was encrypted, written past EF Core.
    private async Task AddPlaintextAsync()
    {
        await SaveAsync(new[] { 1, 3, 4, 5, 6 }.Select(object (id) => new Note { Id = id }).ToArray());
        foreach (var (id, text) in new[] { (1, "ada"), (3, "bea"), (5, ""), (6, "efenvelope") })
            await Database.QueryAsync(
                $"UPDATE {Database.Quote("Notes")} SET {Database.Quote("Body")} = @text WHERE {Database.Quote("Id")} = {id}", ("@text", text));
    }

    private async Task UpdateStoredAsync(string text)
        => await Database.QueryAsync($"UPDATE {Database.Quote("Notes")} SET {Database.Quote("Body")} = @text", ("@text", text));

    private async Task<List<object?>> ReadTextAsync(string column = "Body")
        => await Database.QueryAsync($"SELECT {Database.Quote(column)} FROM {Database.Quote("Notes")} ORDER BY {Database.Quote("Id")}");

    private static void AssertEncrypted(object? stored, int header, string? plaintext = null)
    {
        var text = Assert.IsType<string>(stored);
        Assert.StartsWith(Prefix, text, StringComparison.Ordinal);
        var bytes = Base64Url.DecodeFromChars(text.AsSpan(Prefix.Length));
        Assert.Equal(header, bytes[0]);
        Assert.Equal(text, Prefix + Base64Url.EncodeToString(bytes));
        if (plaintext is not null)
            StoredBytes.AssertHides(bytes, plaintext);
    }

    // Every way to ask gives what LINQ gives in memory.
    private async Task AssertAnswersAsync(string value = "ada", string other = "bea")
    {
        string? missing = null;
        string?[] list = [value, other];
        string?[] withNull = [value, null];
        List<string?> none = [];
        Expression<Func<Note, bool>>[] questions =
        [
            n => n.Body == value,
            n => n.Body == "ada",
            n => n.Body != value,
            n => n.Body != "ada",
            n => !(n.Body == value),
            n => n.Body == missing,
            n => n.Body != missing,
            n => n.Body == null,
            n => n.Body != null,
            n => n.Body == "",
            n => string.IsNullOrEmpty(n.Body),
            n => n.Body == "nobody",
            n => n.Body != "nobody",
            n => list.Contains(n.Body),
            n => !list.Contains(n.Body),
            n => withNull.Contains(n.Body),
            n => !withNull.Contains(n.Body),
            n => none.Contains(n.Body),
            n => new[] { "ada", "nobody" }.Contains(n.Body),
            n => !new[] { "ada", "bea" }.Contains(n.Body),
            n => new[] { value, null, other }.Contains(n.Body),
            n => n.Body == value || n.Body == other,
            n => n.Body == value && n.Id > 1,
            n => Equals(n.Body, value),
            n => n.Body!.Equals(value),
        ];
        await using var db = Open();
        var all = await db.Set<Note>().AsNoTracking().OrderBy(n => n.Id).ToListAsync();
        foreach (var question in questions)
        {
            var answer = question.Compile();
            Assert.True(
                all.Where(n => n.Body is not null || question != questions[^1]).Where(answer).Select(n => n.Id)
                    .SequenceEqual(await db.Set<Note>().Where(question).OrderBy(n => n.Id).Select(n => n.Id).ToListAsync()),
                $"Wrong answer to '{question}'.");
        }
    }

    public enum Grade
    {
        Poor,
        Excellent,
    }

    public sealed class Note
    {
        public int Id { get; set; }

        public string? Body { get; set; }

        public Grade Kind { get; set; }

        public string? Plain { get; set; }
    }
}
