using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Migrations of columns that are compared (deterministic ones and blind indexes) and of text columns that stay where they are.</summary>
public abstract class SearchMigrationSpecification(TestDatabase database) : MigratingSpecification(database)
{
    private static readonly Dictionary<string, Action<ModelBuilder>> Models = new()
    {
        ["deterministic"] = Deterministic,
        ["deterministic and unique"] = b => Map(b, p => p.Property(x => x.Email).HasMaxLength(50).IsEncrypted(EncryptionMode.Deterministic), p => p.HasIndex(x => x.Email).IsUnique()),
        ["blind index"] = Indexed,
        ["blind indexes of parts"] = b => Map(
            b,
            p => p.Property(x => x.Email).IsEncrypted()
                .HasBlindIndex(Normalization.Email, isUnique: true)
                .HasBlindIndex(projection: BlindIndexProjection.First, characters: 3)
                .HasBlindIndex(projection: BlindIndexProjection.Last, characters: 4, name: "EmailEnd")),
        ["compound blind index"] = Compound,
        ["blind index being filled"] = IndexedWhileFilling,
        ["text"] = Text,
        ["text being backfilled"] = TextWhileBackfilling,
        ["deterministic text"] = b => Map(b, p => p.Property(x => x.Email).HasMaxLength(50).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text)),
        ["text with a blind index"] = b => Map(
            b, p => p.Property(x => x.Email).IsEncrypted(storage: EncryptedStorage.Text).HasBlindIndex().AllowPlaintextWhileBackfilling()),
        ["deterministic text and unique"] = b => Map(
            b, p => p.Property(x => x.Email).HasMaxLength(50).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text), p => p.HasIndex(x => x.Email, "Emails").IsUnique()),
        ["attributes"] = b => b.Entity<Marked>().ToTable("People"),
    };

    public static TheoryData<string> Labels => new(Models.Keys);

    [Theory]
    [MemberData(nameof(Labels))]
    public async Task Nothing_is_pending_after_a_migration_and_a_second_one_is_empty(string label)
    {
        var model = Models[label];
        Scaffold(model);
        await MigrateAsync(model);

        await using (var context = Create(model))
            Assert.False(context.Database.HasPendingModelChanges());
        Assert.DoesNotContain(
            "migrationBuilder.",
            Scaffold(model).MigrationCode.Replace("MigrationBuilder migrationBuilder", "", StringComparison.Ordinal),
            StringComparison.Ordinal);
        await MigrateAsync(model);
    }

    [Theory]
    [InlineData(EncryptionMode.Randomized, false)]
    [InlineData(EncryptionMode.Randomized, true)]
    [InlineData(EncryptionMode.Deterministic, false)]
    public async Task Text_column_with_rows_is_encrypted_where_it_is(EncryptionMode mode, bool hasIndex)
    {
        var (backfilling, done) = (InText(true), InText(false));
        Scaffold(Plain);
        await MigrateAsync(Plain);
        await SaveAsync(Plain, "ada@example.com");
        await SaveAsync(Plain, null);

        var up = Up(Scaffold(backfilling));
        Assert.Contains("migrationBuilder.AlterColumn<TextEnvelope>(", up, StringComparison.Ordinal);
        Assert.Contains(".Annotation(\"EfEnvelope:Storage\", \"Text\")", up, StringComparison.Ordinal);
        Assert.Contains(".Annotation(\"EfEnvelope:AllowPlaintextWhileBackfilling\", true)", up, StringComparison.Ordinal);
        await MigrateAsync(backfilling);
        Assert.Equal(["ada@example.com", null], await ReadStoredAsync());
        await SaveAsync(backfilling, "bea@example.com");
        await AssertReadableAsync(backfilling);
        await SaveAgainAsync(backfilling);

        Scaffold(done);
        await MigrateAsync(done);

        await AssertReadableAsync(done);
        Assert.All((await ReadStoredAsync()).OfType<object>(), stored => Assert.StartsWith("efenvelope:v1:", (string)stored, StringComparison.Ordinal));
        if (hasIndex)
            await AssertCheckedAsync();
        await using var context = Create(done);
        Assert.False(context.Database.HasPendingModelChanges());

        async Task AssertReadableAsync(Action<ModelBuilder> model)
        {
            Assert.Equal(["ada@example.com", null, "bea@example.com"], await ReadAsync(model));
            if (mode == EncryptionMode.Randomized && !hasIndex)
                return;
            Assert.Equal(1, await CountAsync(model, "ada@example.com"));
            Assert.Equal(1, await CountAsync(model, "bea@example.com"));
        }

        Action<ModelBuilder> InText(bool allowsPlaintext) => modelBuilder => Map(
            modelBuilder,
            p =>
            {
                var email = p.Property(x => x.Email).IsEncrypted(mode, storage: EncryptedStorage.Text);
                if (hasIndex)
                    email.HasBlindIndex();
                if (allowsPlaintext)
                    email.AllowPlaintextWhileBackfilling();
            });
    }

    [Fact]
    public async Task Text_column_is_not_encrypted_where_it_is_while_its_rows_could_not_be_read()
        => await RefuseAsync(
            Plain, Text,
            "Column 'People.Email' becomes encrypted in place, but its rows are plaintext, which could not be read. Call 'AllowPlaintextWhileBackfilling()' on the property until they have been encrypted.");

    [Fact]
    public async Task Column_of_numbers_does_not_become_encrypted_text_in_place()
        => await RefuseAsync(
            b => b.Entity<Person>(p => { p.ToTable("People"); p.Ignore(x => x.Email); p.Property<int>("Code").HasColumnName("Email"); }),
            b => Map(b, p => p.Property(x => x.Email).HasColumnName("Email").IsEncrypted(storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling()),
            "Column 'People.Email' becomes encrypted in place, which would keep its rows in clear text. Add a new column for the encrypted property ('HasColumnName'), copy the values through EF Core, then drop the old column; or keep a text column one, with 'EncryptedStorage.Text' and 'AllowPlaintextWhileBackfilling()'.");

    [Fact]
    public async Task Text_that_is_encrypted_becomes_plain_in_place_by_way_of_storing_plaintext()
    {
        Scaffold(Text);
        await MigrateAsync(Text);
        await SaveAsync(Text, "ada@example.com");

        Scaffold(TextWhileDecrypting);
        await MigrateAsync(TextWhileDecrypting);
        await SaveAsync(TextWhileDecrypting, "bea@example.com");
        Assert.Equal(["ada@example.com", "bea@example.com"], await ReadAsync(TextWhileDecrypting));
        Assert.Equal([true, false], (await ReadStoredAsync()).Select(v => ((string)v!).StartsWith("efenvelope:v1:", StringComparison.Ordinal)).OrderDescending());
        await SaveAgainAsync(TextWhileDecrypting);

        Scaffold(Plain);
        await MigrateAsync(Plain);
        Assert.Equal(["ada@example.com", "bea@example.com"], (await ReadStoredAsync()).Order());
        Assert.Equal(["ada@example.com", "bea@example.com"], await ReadAsync(Plain));
    }

    [Fact]
    public async Task Plaintext_that_looks_like_an_envelope_is_not_stored_while_a_column_is_being_decrypted()
    {
        Scaffold(TextWhileDecrypting);
        await MigrateAsync(TextWhileDecrypting);

        var e = await Assert.ThrowsAnyAsync<Exception>(() => SaveAsync(TextWhileDecrypting, "efenvelope:v1:AAAA"));

        Assert.Contains("starts like an envelope", (e.InnerException ?? e).Message, StringComparison.Ordinal);
        Assert.Empty(await ReadStoredAsync());
    }

    [Fact]
    public async Task Text_that_is_encrypted_does_not_become_plain_in_place()
        => await RefuseAsync(
            Text, Plain,
            "Column 'People.Email' stops being encrypted in place, which would leave envelopes where values are expected. Add a new column for the plain property ('HasColumnName'), run 'efenvelope decrypt People.Email --into' with its name, or copy the values through EF Core, then drop the old column.");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Binary_and_text_storage_are_not_exchanged_in_place(bool toText)
        => await RefuseAsync(
            toText ? Randomized : RandomizedText,
            toText ? RandomizedText : Randomized,
            "Column 'People.Email' would change between binary and text storage in place, which the database cannot convert. Add a new column for the encrypted property ('HasColumnName'), copy the values through EF Core, then drop the old column.");

    [Theory]
    [InlineData("normalization")]
    [InlineData("length")]
    [InlineData("context")]
    public async Task Blind_index_is_not_computed_in_another_way_in_place(string change)
        => await RefuseAsync(
            Indexed,
            change switch
            {
                "normalization" => IndexedBy(p => p.HasBlindIndex(Normalization.CaseInsensitive)),
                "length" => IndexedBy(p => p.HasBlindIndex(Normalization.Email, length: 20)),
                _ => IndexedBy(p => p.IsEncrypted(context: "People.Address").HasBlindIndex(Normalization.Email)),
            },
            change == "context" ? "'People.Email'" : "The blind index in column 'People.Email_BlindIndex' would be computed in another way, so that queries missed every row that it has now.");

    [Fact]
    public async Task Randomized_column_does_not_become_deterministic_in_place()
        => await RefuseAsync(
            Randomized, Deterministic,
            "Column 'People.Email' becomes deterministic in place, but its rows are encrypted with random nonces, so that queries missed every one of them. Add a new column for the deterministic property ('HasColumnName'), copy the values through EF Core, then drop the old column; or keep this one randomized and call 'HasBlindIndex()'.");

    [Fact]
    public async Task Deterministic_column_becomes_randomized_in_place()
    {
        Scaffold(Deterministic);
        await MigrateAsync(Deterministic);
        await SaveAsync(Deterministic, "ada@example.com");

        Scaffold(Randomized);
        await MigrateAsync(Randomized);
        await SaveAsync(Randomized, "ada@example.com");

        Assert.Equal(["ada@example.com", "ada@example.com"], await ReadAsync(Randomized));
        Assert.Equal([0xFA, 0xF9], (await ReadStoredAsync()).Select(b => ((byte[])b!)[0]));
    }

    [Fact]
    public async Task Blind_index_becomes_unique_and_ordinary_again_in_place()
    {
        Scaffold(Indexed);
        await MigrateAsync(Indexed);
        await SaveAsync(Indexed, "ada@example.com");

        var unique = IndexedBy(p => p.HasBlindIndex(Normalization.Email, isUnique: true));
        var up = Up(Scaffold(unique));
        Assert.Contains("name: \"Email_BlindIndex_Next\"", up, StringComparison.Ordinal);
        Assert.Contains("name: \"IX_People_Email_BlindIndex_Next\"", up, StringComparison.Ordinal);
        Assert.Contains(".Annotation(\"EfEnvelope:Next\", \"Email_BlindIndex\")", up, StringComparison.Ordinal);
        await MigrateAsync(unique);
        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(unique, "ADA@example.com"));
        Assert.Equal(1, await CountAsync(unique, "ADA@EXAMPLE.COM"));

        Scaffold(Indexed);
        await MigrateAsync(Indexed);
        await SaveAsync(Indexed, "ADA@example.com");
        Assert.Equal(2, await CountAsync(Indexed, "ADA@EXAMPLE.COM"));
    }

    [Theory]
    [InlineData("InsertData(\"People\", new[] { \"Id\", \"Email_BlindIndex\" }, new object[] { 1, new byte[] { 1 } })")]
    [InlineData("UpdateData(\"People\", \"Id\", 1, \"Email_BlindIndex\", new byte[] { 1 })")]
    public async Task Data_for_a_blind_index_is_refused(string data)
    {
        var migration = Scaffold(Indexed);
        Migrations[^1] = Copy(migration, AddToUp(migration, data));
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => MigrateAsync(Indexed));

        Assert.StartsWith("Column 'People.Email_BlindIndex' is encrypted, but the migration writes a value into it", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("InsertData(\"People\", new[] { \"Id\", \"Email\" }, new object[] { 1, \"ada@example.com\" })")]
    [InlineData("UpdateData(\"People\", \"Id\", 1, \"Email\", \"ada@example.com\")")]
    public async Task Plaintext_data_for_an_encrypted_text_column_is_refused(string data)
    {
        var migration = Scaffold(TextWhileBackfilling);
        Migrations[^1] = Copy(migration, AddToUp(migration, data));
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => MigrateAsync(TextWhileBackfilling));

        Assert.StartsWith("Column 'People.Email' is encrypted, but the migration writes a value into it", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("ada", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("blind index")]
    [InlineData("compound blind index")]
    public async Task Blind_index_is_added_to_an_empty_table(string label)
    {
        var model = Models[label];
        Scaffold(Randomized);
        await MigrateAsync(Randomized);

        Scaffold(model);
        await MigrateAsync(model);
        await SaveAsync(model, "ada@example.com");

        Assert.Equal(1, await CountAsync(model, "ada@example.com"));
        await AssertCheckedAsync();
    }

    [Theory]
    [InlineData("blind index")]
    [InlineData("compound blind index")]
    public async Task Blind_index_that_rows_would_lack_is_refused_by_the_database_and_nothing_changes(string label)
    {
        Scaffold(Randomized);
        await MigrateAsync(Randomized);
        await SaveAsync(Randomized, "ada@example.com");

        Scaffold(Models[label]);
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var e = await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => MigrateAsync(Models[label]));
            Assert.Contains("CK_People_Email_", e.Message.Replace("Email_Name", "Email", StringComparison.Ordinal), StringComparison.Ordinal);
        }

        Assert.Equal(["ada@example.com"], await ReadAsync(Randomized));
        await SaveAsync(Randomized, "bea@example.com");
        Assert.Equal(["ada@example.com", "bea@example.com"], await ReadAsync(Randomized));

        // Without its rows the same migration runs.
        await using (var context = Create(Randomized))
            await context.Set<Person>().ExecuteDeleteAsync();
        await MigrateAsync(Models[label]);
        await SaveAsync(Models[label], "cia@example.com");
        Assert.Equal(1, await CountAsync(Models[label], "cia@example.com"));
    }

    [Theory]
    [InlineData("blind index")]
    [InlineData("compound blind index")]
    public async Task Blind_index_is_added_to_a_table_with_rows_in_two_steps(string label)
    {
        var filled = Models[label];
        Action<ModelBuilder> filling = label == "blind index" ? IndexedWhileFilling : CompoundWhileFilling;
        Scaffold(Randomized);
        await MigrateAsync(Randomized);
        await SaveAsync(Randomized, "ada@example.com");
        await SaveAsync(Randomized, null);

        Scaffold(filling);
        await MigrateAsync(filling);
        await SaveAsync(filling, "bea@example.com");
        Assert.Equal(["ada@example.com", null, "bea@example.com"], await ReadAsync(filling));
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => CountAsync(filling, "ada@example.com"));
        Assert.Contains("which is being filled", e.Message, StringComparison.Ordinal);

        // The second step too early.
        Scaffold(filled);
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => MigrateAsync(filled));
        Assert.Equal(["ada@example.com", null, "bea@example.com"], await ReadAsync(filling));

        await SaveAgainAsync(filling);
        await MigrateAsync(filled);

        Assert.Equal(1, await CountAsync(filled, "ada@example.com"));
        Assert.Equal(1, await CountAsync(filled, "bea@example.com"));
        await AssertCheckedAsync();
        await using var context = Create(filled);
        Assert.False(context.Database.HasPendingModelChanges());
    }

    [Fact]
    public async Task Rows_that_lack_a_compound_index_can_be_changed_while_it_is_being_filled()
    {
        Scaffold(Randomized);
        await MigrateAsync(Randomized);
        await SaveAsync(Randomized, "ada@example.com");
        Scaffold(CompoundWhileFilling);
        await MigrateAsync(CompoundWhileFilling);

        await using (var context = Create(CompoundWhileFilling))
        {
            (await context.Set<Person>().SingleAsync()).Email = "bea@example.com";
            await context.SaveChangesAsync();
        }

        await SaveAgainAsync(CompoundWhileFilling);
        Scaffold(Compound);
        await MigrateAsync(Compound);
        Assert.Equal(1, await CountAsync(Compound, "bea@example.com"));
    }

    [Fact]
    public async Task Another_blind_index_under_another_name_is_no_renamed_one()
        => await RefuseAsync(Indexed, IndexedBy(p => p.HasBlindIndex(name: "Email_Exact")), "The blind index in column 'People.Email_Exact' would be computed in another way");

    [Fact]
    public async Task Blind_index_is_replaced_by_another_one_as_the_recipe_says()
    {
        Scaffold(Indexed);
        await MigrateAsync(Indexed);
        await SaveAsync(Indexed, "ada@example.com");

        var filling = IndexedBy(p => p.HasBlindIndex(allowMissingWhileBackfilling: true));
        var filled = IndexedBy(p => p.HasBlindIndex());
        Scaffold(Randomized);
        Scaffold(filling);
        await MigrateAsync(filling);
        await SaveAgainAsync(filling);
        Scaffold(filled);
        await MigrateAsync(filled);

        Assert.Equal(1, await CountAsync(filled, "ada@example.com"));
        Assert.Equal(0, await CountAsync(filled, "ADA@example.com"));
    }

    private static void Map(ModelBuilder modelBuilder, params Action<EntityTypeBuilder<Person>>[] build)
        => modelBuilder.Entity<Person>(
            b =>
            {
                b.ToTable("People");
                foreach (var step in build)
                    step(b);
            });

    private static void Plain(ModelBuilder modelBuilder) => Map(modelBuilder);

    private static void Randomized(ModelBuilder modelBuilder)
        => Map(modelBuilder, b => b.Property(p => p.Email).IsEncrypted(), b => b.Property(p => p.Name).IsEncrypted());

    private static void RandomizedText(ModelBuilder modelBuilder)
    {
        Randomized(modelBuilder);
        TextWhileBackfilling(modelBuilder);
    }

    private static void Deterministic(ModelBuilder modelBuilder)
        => Map(modelBuilder, b => b.Property(p => p.Email).IsEncrypted(EncryptionMode.Deterministic), b => b.Property(p => p.Name).IsEncrypted());

    private static void Indexed(ModelBuilder modelBuilder) => IndexedBy(p => p.HasBlindIndex(Normalization.Email))(modelBuilder);

    private static Action<ModelBuilder> IndexedBy(Action<PropertyBuilder<string?>> index)
        => modelBuilder =>
        {
            Randomized(modelBuilder);
            index(modelBuilder.Entity<Person>().Property(p => p.Email));
        };

    private static void IndexedWhileFilling(ModelBuilder modelBuilder)
        => IndexedBy(p => p.HasBlindIndex(Normalization.Email, allowMissingWhileBackfilling: true))(modelBuilder);

    private static void Compound(ModelBuilder modelBuilder) => Compound(modelBuilder, missing: false);

    private static void CompoundWhileFilling(ModelBuilder modelBuilder) => Compound(modelBuilder, missing: true);

    private static void Compound(ModelBuilder modelBuilder, bool missing)
    {
        Randomized(modelBuilder);
        Map(modelBuilder, b => b.HasBlindIndex(p => new { p.Email, p.Name }, allowMissingWhileBackfilling: missing));
    }

    private static void Text(ModelBuilder modelBuilder)
        => Map(modelBuilder, b => b.Property(p => p.Email).IsEncrypted(storage: EncryptedStorage.Text));

    private static void TextWhileBackfilling(ModelBuilder modelBuilder)
        => Map(modelBuilder, b => b.Property(p => p.Email).IsEncrypted(storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling());

    private static void TextWhileDecrypting(ModelBuilder modelBuilder)
        => Map(modelBuilder, b => b.Property(p => p.Email).IsEncrypted(storage: EncryptedStorage.Text).StorePlaintextDuringTransition());

    private async Task RefuseAsync(Action<ModelBuilder> from, Action<ModelBuilder> to, string message)
    {
        Scaffold(from);
        await MigrateAsync(from);
        if (from.Method.Name is nameof(Plain) or nameof(Text) or nameof(TextWhileBackfilling) or nameof(Randomized) or nameof(RandomizedText) or nameof(Indexed))
            await SaveAsync(from, "ada@example.com");

        var e = Assert.Throws<EnvelopeConfigurationException>(() => Scaffold(to));

        Assert.StartsWith(message.StartsWith('\'') ? "" : message, e.Message, StringComparison.Ordinal);
        Assert.Contains("'People.Email", e.Message, StringComparison.Ordinal);
        if ((await ReadStoredAsync()).Count > 0)
            Assert.Equal(["ada@example.com"], await ReadAsync(from));
    }

    private async Task SaveAsync(Action<ModelBuilder> build, string? email)
    {
        await using var context = Create(build);
        context.Add(new Person { Email = email, Name = "Ada" });
        await context.SaveChangesAsync();
    }

    // What fills a column that is being backfilled: every row once through EF Core.
    private async Task SaveAgainAsync(Action<ModelBuilder> build)
    {
        await using var context = Create(build);
        foreach (var person in await context.Set<Person>().ToListAsync())
        {
            context.Entry(person).Property(p => p.Email).IsModified = true;
            context.Entry(person).Property(p => p.Name).IsModified = true;
        }

        await context.SaveChangesAsync();
    }

    private async Task<List<string?>> ReadAsync(Action<ModelBuilder> build)
    {
        await using var context = Create(build);
        return await context.Set<Person>().OrderBy(p => p.Id).Select(p => p.Email).ToListAsync();
    }

    private async Task<int> CountAsync(Action<ModelBuilder> build, string email)
    {
        await using var context = Create(build);
        return context.Model.FindEntityType(typeof(Person))!.FindProperty("Email_Name_BlindIndex") is null
            ? await context.Set<Person>().CountAsync(p => p.Email == email)
            : await context.Set<Person>().CountAsync(p => p.Email == email && p.Name == "Ada");
    }

    private async Task<List<object?>> ReadStoredAsync()
        => await Database.QueryAsync($"SELECT {Database.Quote("Email")} FROM {Database.Quote("People")} ORDER BY {Database.Quote("Id")}");

    private async Task AssertCheckedAsync()
        => await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(
            () => Database.QueryAsync($"UPDATE {Database.Quote("People")} SET {Database.Quote("Email")} = NULL WHERE {Database.Quote("Email")} IS NOT NULL"));

    public sealed class Person
    {
        public int Id { get; set; }

        public string? Email { get; set; }

        public string Name { get; set; } = "";
    }

    [CompoundBlindIndex(nameof(First), nameof(Born), Name = "Both")]
    public sealed class Marked
    {
        public int Id { get; set; }

        [Encrypted(EncryptionMode.Deterministic)]
        public Guid Number { get; set; }

        [Encrypted]
        [BlindIndex(Normalization.Email, IsUnique = true)]
        [BlindIndex(Projection = BlindIndexProjection.Last, Characters = 4)]
        public string Email { get; set; } = "";

        [Encrypted(Storage = EncryptedStorage.Text)]
        [BlindIndex]
        public string? Notes { get; set; }

        [Encrypted]
        public string First { get; set; } = "";

        [Encrypted]
        public DateOnly Born { get; set; }
    }
}
