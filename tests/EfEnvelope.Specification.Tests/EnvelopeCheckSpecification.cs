using System.Data.Common;
using Dapper;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>The database itself refuses what is not an envelope in an encrypted column, whoever writes it.</summary>
public abstract class EnvelopeCheckSpecification(TestDatabase database) : MigratingSpecification(database)
{
    /// <summary>Gets how bytes are written in SQL.</summary>
    protected abstract string Bytes(string hexadecimal);

    /// <summary>Gets a schema of its own for some tables, where the database has schemas.</summary>
    protected virtual string? Schema => "clinic";

    [Fact]
    public async Task Raw_sql_cannot_store_plaintext()
    {
        await CreateAsync(Secrets);
        await SaveAsync(Secrets, new Secret { Id = 1, Name = "ada", Note = "note", Code = "code", Nick = "nick" }, new Secret { Id = 2, Name = "bea" });

        foreach (var column in new[] { "Name", "Nick", "Code", "Code_Next" })
        {
            foreach (var plaintext in new[] { "", "41", "F7FFFFFF", "00" })
                await AssertRefusedAsync(column, Bytes(plaintext));
            foreach (var laterAlgorithm in new[] { "F8", "FF00" })
                await SetAsync(column, Bytes(laterAlgorithm));
        }

        foreach (var plaintext in new[] { "''", "'plain'", "'EFENVELOPE:V1:abc'", "'efenvelope:v1'", "' efenvelope:v1:'" })
            await AssertRefusedAsync("Note", plaintext);
        await SetAsync("Note", "'efenvelope:v1:abc'");
        await SetAsync("Note", "NULL");
        await SetAsync("Nick", "NULL");
    }

    [Fact]
    public async Task Dapper_cannot_store_plaintext()
    {
        await CreateAsync(Secrets);
        await SaveAsync(Secrets, new Secret { Id = 1, Name = "ada" });
        await using var connection = Database.CreateConnection();

        var (table, name, note, id) = (Database.Quote("Secrets"), Database.Quote("Name"), Database.Quote("Note"), Database.Quote("Id"));
        await Assert.ThrowsAnyAsync<DbException>(() => connection.ExecuteAsync($"UPDATE {table} SET {note} = @note", new { note = "a plain note" }));
        await Assert.ThrowsAnyAsync<DbException>(() => connection.ExecuteAsync($"UPDATE {table} SET {name} = @name", new { name = "plain"u8.ToArray() }));
        await Assert.ThrowsAnyAsync<DbException>(
            () => connection.ExecuteAsync($"INSERT INTO {table} ({id}, {name}, {note}) VALUES (2, @name, @note)", new { name = "plain"u8.ToArray(), note = "plain" }));
        Assert.Equal("ada", Assert.Single(await ReadAsync(Secrets)).Name);
    }

    [Fact]
    public async Task Context_without_the_library_cannot_store_plaintext()
    {
        await CreateAsync(Secrets);
        await SaveAsync(Secrets, new Secret { Id = 1, Name = "ada", Note = "note" });

        await using (var plain = OpenPlain())
        {
            plain.Add(new PlainSecret { Id = 2, Name = "plain"u8.ToArray(), Note = "a plain note" });
            await Assert.ThrowsAsync<DbUpdateException>(() => plain.SaveChangesAsync());
        }

        await using (var plain = OpenPlain())
        {
            (await plain.Set<PlainSecret>().SingleAsync()).Note = "a plain note";
            await Assert.ThrowsAsync<DbUpdateException>(() => plain.SaveChangesAsync());
        }

        Assert.Equal("note", Assert.Single(await ReadAsync(Secrets)).Note);
    }

    [Fact]
    public async Task Every_encrypted_column_of_every_mapping_has_its_check()
    {
        await CreateAsync(Mappings);
        await using var db = Create(Mappings);
        var tables = db.GetService<IDesignTimeModel>().Model.GetRelationalModel().Tables.ToList();
        var columns = tables.SelectMany(t => t.Columns)
            .Where(c => c.PropertyMappings.Any(m => m.Property["EfEnvelope:Encrypted"] is not null || (m.Property["EfEnvelope:Next"] is not null && m.Property.Name == "Code_Next"))).ToList();
        Assert.Equal(15, columns.Count);
        foreach (var column in columns)
        {
            // No check can name what lies in the second table of a split entity.
            var quoted = Database.Quote(column.Name);
            var checks = column.Table.CheckConstraints.Where(c => c.Sql.StartsWith($"{quoted} IS NULL OR ", StringComparison.Ordinal)).ToList();
            if (column is { Table.Name: "SplitMore" } or { Table.Name: "TpcMiddles" })
                Assert.Empty(checks);
            else
                Assert.Equal($"CK_{column.Table.Name}_{column.Name}_IsEnvelope", Assert.Single(checks).Name);
        }
    }

    [Fact]
    public async Task Database_of_an_earlier_build_gets_its_checks_by_a_migration_and_keeps_its_rows()
    {
        Scaffold(SecretsOfAnEarlierBuild);
        await MigrateAsync(SecretsOfAnEarlierBuild);
        await SaveAsync(SecretsOfAnEarlierBuild, new Secret { Id = 1, Name = "ada", Note = "note", Code = "code" }, new Secret { Id = 2, Name = "bea" });
        await SetAsync("Note", "'plain'");
        await SetAsync("Note", "NULL");

        var up = Up(Scaffold(Secrets));
        Assert.Equal(5, up.Split("AddCheckConstraint(").Length - 1);
        await MigrateAsync(Secrets);

        await AssertRefusedAsync("Name", Bytes("41"));
        await AssertRefusedAsync("Code_Next", Bytes("41"));
        await AssertRefusedAsync("Note", "'plain'");
        Assert.Equal(["ada", "bea"], (await ReadAsync(Secrets)).Select(s => s.Name));
        await using (var context = Create(Secrets))
            Assert.False(context.Database.HasPendingModelChanges());
        await AssertAllProvedAsync();

        await using (var context = Create(SecretsOfAnEarlierBuild, CompileAll()))
            await context.Database.MigrateAsync(Migrations[0].MigrationId);
        await SetAsync("Note", "'plain'");
    }

    [Fact]
    public async Task Migration_that_ends_a_backfill_proves_it_and_runs_again_when_the_last_row_is_encrypted()
    {
        Scaffold(Plain);
        await MigrateAsync(Plain);
        await SaveAsync(Plain, new Secret { Id = 1, Note = "one" }, new Secret { Id = 2, Note = "two" }, new Secret { Id = 3 });
        Scaffold(Backfilling);
        await MigrateAsync(Backfilling);
        await SaveAsync(Backfilling, new Secret { Id = 4, Note = "four" });
        await BackfillAsync(limitTo: "1, 3, 4");

        Scaffold(Text);
        var e = await Assert.ThrowsAnyAsync<DbException>(() => MigrateAsync(Text));
        Assert.Contains("CK_Secrets_Note_IsEnvelope", e.Message, StringComparison.Ordinal);
        await using (var context = Create(Text, CompileAll()))
            Assert.Single(await context.Database.GetPendingMigrationsAsync());

        await BackfillAsync(limitTo: "2");
        await MigrateAsync(Text);
        Assert.Equal(["one", "two", null, "four"], (await ReadAsync(Text)).Select(s => s.Note));
        await AssertRefusedAsync("Note", "'plain'");
        await AssertAllProvedAsync();
    }

    [Fact]
    public async Task Migration_that_lets_plaintext_in_again_drops_the_check_and_a_job_can_decrypt()
    {
        Scaffold(Text);
        await MigrateAsync(Text);
        await SaveAsync(Text, new Secret { Id = 1, Note = "one" });
        await using (var database = OpenDatabase())
        {
            var refusal = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => database.Jobs.PlanAsync(Decrypt));
            Assert.Contains("'Secrets.Note' has a CHECK constraint", refusal.Message, StringComparison.Ordinal);
            Assert.Contains("StorePlaintextDuringTransition()", refusal.Message, StringComparison.Ordinal);
        }

        Assert.Contains("DropCheckConstraint(", Up(Scaffold(Storing)), StringComparison.Ordinal);
        await MigrateAsync(Storing);
        await SaveAsync(Storing, new Secret { Id = 2, Note = "two" });
        await using (var database = OpenDatabase())
        {
            var job = await database.Jobs.EnqueueAsync(await database.Jobs.PlanAsync(Decrypt));
            await database.Jobs.RunAsync([job.Id]);
            Assert.Equal(JobState.Completed, (await database.Jobs.GetAsync(job.Id)).State);
        }

        Assert.Equal(["one", "two"], await Database.QueryAsync($"SELECT {Database.Quote("Note")} FROM {Database.Quote("Secrets")} ORDER BY {Database.Quote("Id")}"));
    }

    [Fact]
    public async Task Backfill_into_another_column_works_with_its_check()
    {
        await CreateAsync(WithPlainNick);
        await SaveAsync(WithPlainNick, new Secret { Id = 1, Name = "ada" });
        await Database.QueryAsync($"UPDATE {Database.Quote("Secrets")} SET {Database.Quote("PlainNick")} = 'the nick'");

        await using (var database = OpenDatabase())
        {
            foreach (var into in new[] { "Nick", "MadeByTheJob" })
            {
                var request = new JobRequest { Kind = JobKind.Backfill, Table = "Secrets", Columns = ["PlainNick"], Into = into };
                var job = await database.Jobs.EnqueueAsync(await database.Jobs.PlanAsync(request));
                await database.Jobs.RunAsync([job.Id]);
                Assert.Equal((JobState.Completed, 1), (await database.Jobs.GetAsync(job.Id) is var done ? (done.State, done.RowsWritten) : default));
            }
        }

        Assert.Equal("the nick", Assert.Single(await ReadAsync(WithPlainNick)).Nick);
        await AssertRefusedAsync("MadeByTheJob", Bytes("41"));
    }

    [Fact]
    public async Task Later_change_of_the_table_keeps_the_check()
    {
        Scaffold(Secrets);
        await MigrateAsync(Secrets);
        await SaveAsync(Secrets, new Secret { Id = 1, Name = "ada", Note = "note", Code = "code" });
        Scaffold(SecretsWithMore);
        await MigrateAsync(SecretsWithMore);

        await AssertRefusedAsync("Name", Bytes("41"));
        await AssertRefusedAsync("Nick", Bytes("41"));
        await AssertRefusedAsync("Note", "'plain'");
        Assert.Equal("note", Assert.Single(await ReadAsync(SecretsWithMore)).Note);
    }

    [Fact]
    public async Task Column_without_a_check_by_its_own_wish_takes_anything_and_reading_it_raises_the_alarm()
    {
        await CreateAsync(SecretsOfAnEarlierBuild);
        await SaveAsync(SecretsOfAnEarlierBuild, new Secret { Id = 1, Name = "ada", Note = "note" });
        Assert.DoesNotContain(await DiagnoseAsync(), d => d.Code.StartsWith("check", StringComparison.Ordinal));

        await SetAsync("Note", "'plain'");

        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => ReadAsync(SecretsOfAnEarlierBuild));
    }

    [Fact]
    public async Task Doctor_reports_an_encrypted_column_whose_check_is_missing()
    {
        await CreateAsync(Secrets);
        await SaveAsync(Secrets, new Secret { Id = 1, Name = "ada", Note = "note" });
        Assert.DoesNotContain(await DiagnoseAsync(), d => d.Code.StartsWith("check", StringComparison.Ordinal));
        await DropCheckAsync("Note");
        await DropCheckAsync("Name");

        var found = (await DiagnoseAsync()).Where(d => d.Code == "check-missing").ToList();

        Assert.Equal(["Secrets.Name", "Secrets.Note"], found.Select(d => d.Subject).Order(StringComparer.Ordinal));
        Assert.All(found, d => Assert.Equal(DiagnosisSeverity.Warning, d.Severity));
    }

    /// <summary>Drops the check of a column, as somebody with rights on the table can.</summary>
    protected virtual async Task DropCheckAsync(string column)
        => await Database.QueryAsync($"ALTER TABLE {Database.Quote("Secrets")} DROP CONSTRAINT {Database.Quote($"CK_Secrets_{column}_IsEnvelope")}");

    /// <summary>Asserts that every check was applied to the old rows, too.</summary>
    protected virtual Task AssertAllProvedAsync() => Task.CompletedTask;

    protected static void Secrets(ModelBuilder modelBuilder) => Map(modelBuilder, isChecked: true);

    protected static void SecretsOfAnEarlierBuild(ModelBuilder modelBuilder) => Map(modelBuilder, isChecked: false);

    protected static void Plain(ModelBuilder modelBuilder) => MapNote(modelBuilder, _ => { });

    protected static void Storing(ModelBuilder modelBuilder) => MapNote(modelBuilder, p => p.IsEncrypted(storage: EncryptedStorage.Text).StorePlaintextDuringTransition());

    protected static void Backfilling(ModelBuilder modelBuilder) => MapNote(modelBuilder, p => p.IsEncrypted(storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling());

    protected static void Text(ModelBuilder modelBuilder) => MapNote(modelBuilder, p => p.IsEncrypted(storage: EncryptedStorage.Text));

    protected EncryptedDatabase OpenDatabase() => EncryptedDatabase.Open(Options<ModelContext>());

    private static JobRequest Decrypt => new() { Kind = JobKind.Decrypt, Table = "Secrets", Columns = ["Note"] };

    private static void Map(ModelBuilder modelBuilder, bool isChecked)
        => modelBuilder.Entity<Secret>(
            b =>
            {
                b.ToTable("Secrets");
                b.Property(s => s.Id).ValueGeneratedNever();
                PropertyBuilder[] properties =
                [
                    b.Property(s => s.Name).HasMaxLength(50).IsEncrypted(),
                    b.Property(s => s.Nick).IsEncrypted(),
                    b.Property(s => s.Note).IsEncrypted(storage: EncryptedStorage.Text),
                    b.Property(s => s.Code).HasMaxLength(20).IsEncrypted(EncryptionMode.Deterministic),
                ];
                b.HasIndex(s => s.Code).IsUnique();
                if (!isChecked)
                    Array.ForEach(properties, p => p.AllowUncheckedWrites());
            });

    private static void SecretsWithMore(ModelBuilder modelBuilder)
    {
        Map(modelBuilder, isChecked: true);
        modelBuilder.Entity<Secret>().Property<string?>("More").IsEncrypted();
        modelBuilder.Entity<Secret>().Property<int?>("Plain");
        modelBuilder.Entity<Secret>().Property(s => s.Name).IsRequired(false).HasMaxLength(100);
    }

    private static void WithPlainNick(ModelBuilder modelBuilder)
    {
        Map(modelBuilder, isChecked: true);
        modelBuilder.Entity<Secret>().Property<string?>("PlainNick");
    }

    private static void MapNote(ModelBuilder modelBuilder, Action<PropertyBuilder<string?>> note)
        => modelBuilder.Entity<Secret>(
            b =>
            {
                b.ToTable("Secrets");
                b.Property(s => s.Id).ValueGeneratedNever();
                b.Ignore(s => s.Name).Ignore(s => s.Nick).Ignore(s => s.Code);
                note(b.Property(s => s.Note));
            });

    private void Mappings(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Owner>(
            b =>
            {
                b.ToTable("Owners", Schema);
                b.OwnsOne(o => o.Owned, o => o.Property(x => x.Street).IsEncrypted());
                b.OwnsMany(o => o.Many, o => o.ToTable("Manies", Schema).Property(x => x.Street).IsEncrypted());
                b.ComplexProperty(o => o.Complex, c => c.Property(x => x.Street).IsEncrypted(storage: EncryptedStorage.Text));
                b.Property(o => o.Code).HasMaxLength(20).IsEncrypted(EncryptionMode.Deterministic);
                b.HasIndex(o => o.Code).IsUnique();
            });
        modelBuilder.Entity<Owner>().OwnsOne(o => o.Owned).HasIndex(x => x.Plain);
        modelBuilder.Entity<TphBase>(b => { b.ToTable("Tph"); b.Property(x => x.Text).IsEncrypted(); });
        modelBuilder.Entity<TphLeft>().Property(x => x.Shared).HasColumnName("Shared").IsEncrypted();
        modelBuilder.Entity<TphRight>().Property(x => x.Shared).HasColumnName("Shared").IsEncrypted();
        modelBuilder.Entity<TptBase>(b => { b.UseTptMappingStrategy().ToTable("TptBases"); b.Property(x => x.Text).IsEncrypted(); });
        modelBuilder.Entity<TptLeaf>(b => { b.ToTable("TptLeaves"); b.Property(x => x.More).IsEncrypted(); });
        modelBuilder.Entity<TpcBase>(b => { b.UseTpcMappingStrategy(); b.Property(x => x.Text).IsEncrypted(); });
        modelBuilder.Entity<TpcMiddle>().ToTable("TpcMiddles");
        modelBuilder.Entity<TpcLeaf>().ToTable("TpcLeaves").Property(x => x.More).IsEncrypted();
        modelBuilder.Entity<First>(
            b =>
            {
                b.ToTable("Shared");
                b.Property(x => x.Text).HasColumnName("Text").IsEncrypted();
                b.HasOne(x => x.Second).WithOne().HasForeignKey<Second>(x => x.Id);
                b.Navigation(x => x.Second).IsRequired();
            });
        modelBuilder.Entity<Second>(b => { b.ToTable("Shared"); b.Property(x => x.Text).HasColumnName("Text").IsEncrypted(); });
        modelBuilder.Entity<Split>(
            b =>
            {
                b.ToTable("Split");
                b.SplitToTable("SplitMore", t => t.Property(x => x.More));
                b.Property(x => x.Text).IsEncrypted();
                b.Property(x => x.More).IsEncrypted();
            });
    }

    private async Task CreateAsync(Action<ModelBuilder> build)
    {
        await using var context = Create(build);
        await context.Database.EnsureCreatedAsync();
    }

    protected async Task SaveAsync(Action<ModelBuilder> build, params Secret[] secrets)
    {
        await using var context = Create(build);
        context.AddRange(secrets);
        await context.SaveChangesAsync();
    }

    protected async Task<List<Secret>> ReadAsync(Action<ModelBuilder> build)
    {
        await using var context = Create(build);
        return await context.Set<Secret>().AsNoTracking().OrderBy(s => s.Id).ToListAsync();
    }

    private Task SetAsync(string column, string value)
        => Database.QueryAsync($"UPDATE {Database.Quote("Secrets")} SET {Database.Quote(column)} = {value} WHERE {Database.Quote("Id")} = 1");

    private async Task AssertRefusedAsync(string column, string value)
    {
        var e = await Assert.ThrowsAnyAsync<DbException>(() => SetAsync(column, value));
        Assert.Contains($"CK_Secrets_{column}_IsEnvelope", e.Message, StringComparison.Ordinal);
    }

    // Encrypts some rows and not others, as a job does that was stopped.
    private async Task BackfillAsync(string limitTo)
    {
        await using var context = Create(Backfilling);
        var sql = $"SELECT * FROM {Database.Quote("Secrets")} WHERE {Database.Quote("Id")} IN ({limitTo})";
        foreach (var secret in await context.Set<Secret>().FromSqlRaw(sql).ToListAsync())
            context.Entry(secret).Property(s => s.Note).IsModified = true;
        await context.SaveChangesAsync();
    }

    private async Task<IReadOnlyList<Diagnosis>> DiagnoseAsync()
    {
        await using var database = OpenDatabase();
        return await database.Scans.DiagnoseAsync();
    }

    private PlainContext OpenPlain()
        => new(((DbContextOptionsBuilder<PlainContext>)Database.UseProvider(new DbContextOptionsBuilder<PlainContext>())).Options);

    public sealed class Secret
    {
        public int Id { get; set; }

        public string Name { get; set; } = "";

        public string? Nick { get; set; }

        public string? Note { get; set; }

        public string? Code { get; set; }
    }

    private sealed class PlainContext(DbContextOptions<PlainContext> options) : DbContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder)
            => modelBuilder.Entity<PlainSecret>(b => { b.ToTable("Secrets"); b.Property(s => s.Id).ValueGeneratedNever(); });
    }

    private sealed class PlainSecret
    {
        public int Id { get; set; }

        public byte[] Name { get; set; } = [];

        public string? Note { get; set; }
    }

    private sealed class Owner
    {
        public int Id { get; set; }

        public required Address Owned { get; set; }

        public List<Address> Many { get; } = [];

        public required Place Complex { get; set; }

        public string? Code { get; set; }
    }

    private sealed class Address
    {
        public string? Street { get; set; }

        public string? Plain { get; set; }
    }

    private sealed class Place
    {
        public string? Street { get; set; }
    }

    private abstract class TphBase
    {
        public int Id { get; set; }

        public string? Text { get; set; }
    }

    private sealed class TphLeft : TphBase
    {
        public string? Shared { get; set; }
    }

    private sealed class TphRight : TphBase
    {
        public string? Shared { get; set; }
    }

    private class TptBase
    {
        public int Id { get; set; }

        public string? Text { get; set; }
    }

    private sealed class TptLeaf : TptBase
    {
        public string? More { get; set; }
    }

    private abstract class TpcBase
    {
        public int Id { get; set; }

        public string? Text { get; set; }
    }

    private class TpcMiddle : TpcBase;

    private sealed class TpcLeaf : TpcMiddle
    {
        public string? More { get; set; }
    }

    private sealed class First
    {
        public int Id { get; set; }

        public string? Text { get; set; }

        public required Second Second { get; set; }
    }

    private sealed class Second
    {
        public int Id { get; set; }

        public string? Text { get; set; }
    }

    private sealed class Split
    {
        public int Id { get; set; }

        public string? Text { get; set; }

        public string? More { get; set; }
    }
}
