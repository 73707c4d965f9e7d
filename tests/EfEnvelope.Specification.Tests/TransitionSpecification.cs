using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>A text column is encrypted in place in four deployments, with instances of the deployment before always beside it, and goes back the same way.</summary>
public abstract class TransitionSpecification(TestDatabase database) : MigratingSpecification(database)
{
    private static readonly Dictionary<string, Action<PropertyBuilder<string>>> Kinds = new()
    {
        ["randomized"] = p => p.IsEncrypted(storage: EncryptedStorage.Text),
        ["deterministic"] = p => p.HasMaxLength(60).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text),
        ["blind index"] = p => p.IsEncrypted(storage: EncryptedStorage.Text).HasBlindIndex(),
    };

    public static TheoryData<string> All => new(Kinds.Keys);

    [Theory]
    [MemberData(nameof(All))]
    public async Task Column_is_encrypted_in_four_deployments_and_goes_back(string kind)
    {
        var (plain, storing, backfilling, encrypted) = (Model(null, null), Model(kind, "storing"), Model(kind, "backfilling"), Model(kind, "encrypted"));
        Scaffold(plain);
        await MigrateAsync(plain);
        await WriteOldAsync(1, "one@old");

        // 1: both builds read and write plaintext.
        Scaffold(storing);
        await MigrateAsync(storing);
        await WriteAsync(storing, 2, "two@transition");
        await WriteOldAsync(3, "three@old");
        string[] first = ["one@old", "two@transition", "three@old"];
        Assert.Equal(first, await ReadOldAsync());
        await AssertReadsAsync(storing, kind, first);
        Assert.Equal(3, await CountPlaintextAsync());

        // 2: new rows are envelopes, which instances of deployment 1 read; the old build has ended, for it could not.
        Scaffold(backfilling);
        await MigrateAsync(backfilling);
        await WriteAsync(backfilling, 4, "four@backfilling");
        await WriteAsync(storing, 5, "five@transition");
        string[] second = [.. first, "four@backfilling", "five@transition"];
        await AssertReadsAsync(storing, kind, second);
        await AssertReadsAsync(backfilling, kind, second);
        Assert.StartsWith("efenvelope:v1:", (await ReadOldAsync())[3], StringComparison.Ordinal);
        Assert.Contains(await DiagnoseAsync(), d => d.Code == "plaintext-rows");

        // 3: the rows follow.
        await RunAsync(JobKind.Backfill);
        Assert.Equal(0, await CountPlaintextAsync());
        Assert.DoesNotContain(await DiagnoseAsync(), d => d.Code == "plaintext-rows");
        await AssertReadsAsync(backfilling, kind, second);

        // 4: the migration proves it, and the database refuses plaintext from then on, that of the old build included.
        Scaffold(encrypted);
        await MigrateAsync(encrypted);
        await WriteAsync(encrypted, 6, "six@encrypted");
        await WriteAsync(backfilling, 7, "seven@backfilling");
        await Assert.ThrowsAsync<DbUpdateException>(() => WriteOldAsync(8, "eight@old"));
        string[] third = [.. second, "six@encrypted", "seven@backfilling"];
        await AssertReadsAsync(encrypted, kind, third);
        await AssertReadsAsync(backfilling, kind, third);
        await using (var database = OpenDatabase())
            Assert.Empty((await database.Scans.VerifyAsync()).Findings);

        // And back: 2, 1, the job, and none.
        Scaffold(backfilling);
        await MigrateAsync(backfilling);
        Scaffold(storing);
        await MigrateAsync(storing);
        await WriteAsync(storing, 8, "eight@transition");
        await WriteAsync(backfilling, 9, "nine@backfilling");
        string[] fourth = [.. third, "eight@transition", "nine@backfilling"];
        await AssertReadsAsync(backfilling, kind, fourth);
        await AssertReadsAsync(storing, kind, fourth);
        await RunAsync(JobKind.Decrypt);
        Assert.Equal(fourth, await ReadOldAsync());
        await AssertReadsAsync(storing, kind, fourth);

        Scaffold(plain);
        await MigrateAsync(plain);
        await WriteOldAsync(10, "ten@old");
        Assert.Equal([.. fourth, "ten@old"], await ReadOldAsync());
    }

    [Fact]
    public async Task Unique_column_is_refused_in_place_and_moves_to_a_new_one_with_a_unique_blind_index()
    {
        var refusal = Assert.Throws<EnvelopeConfigurationException>(
            () =>
            {
                using var db = Create(Unique);
                _ = db.Model;
            });
        Assert.Contains("'User.Mail'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("HasBlindIndex(isUnique: true)", refusal.Message, StringComparison.Ordinal);

        Scaffold(UniqueOld);
        await MigrateAsync(UniqueOld);
        await WriteBothAsync(UniqueOld, 1, "one@old");
        Scaffold(UniqueFilling);
        await MigrateAsync(UniqueFilling);
        await WriteBothAsync(UniqueFilling, 2, "two@filling");
        await AssertDuplicatesRefusedAsync(UniqueFilling, "one@old", "two@filling");

        await RunAsync(JobKind.Backfill, into: "MailEncrypted");
        await AssertDuplicatesRefusedAsync(UniqueFilling, "one@old", "two@filling");
        Scaffold(UniqueBoth);
        await MigrateAsync(UniqueBoth);
        await WriteBothAsync(UniqueBoth, 3, "three@both");
        await AssertDuplicatesRefusedAsync(UniqueBoth, "one@old", "two@filling", "three@both");

        Scaffold(UniqueNew);
        await MigrateAsync(UniqueNew);
        await AssertDuplicatesRefusedAsync(UniqueNew, "one@old", "two@filling", "three@both");
        await using var context = Create(UniqueNew);
        Assert.Equal(1, await context.Set<User>().CountAsync(u => EF.Property<string?>(u, "Encrypted") == "one@old"));
    }

    private static Action<ModelBuilder> Model(string? kind, string? step)
        => modelBuilder => modelBuilder.Entity<User>(
            b =>
            {
                b.ToTable("Users");
                b.Property(u => u.Id).ValueGeneratedNever();
                var mail = b.Property(u => u.Mail).HasMaxLength(60);
                if (kind is null)
                    return;
                Kinds[kind](mail);
                if (step == "storing")
                    mail.StorePlaintextDuringTransition();
                if (step == "backfilling")
                    mail.AllowPlaintextWhileBackfilling();
            });

    private static void Unique(ModelBuilder modelBuilder)
    {
        Model("deterministic", "storing")(modelBuilder);
        modelBuilder.Entity<User>().HasIndex(u => u.Mail).IsUnique();
    }

    private static void UniqueOld(ModelBuilder modelBuilder)
    {
        Model(null, null)(modelBuilder);
        modelBuilder.Entity<User>().HasIndex(u => u.Mail).IsUnique();
    }

    private static void UniqueFilling(ModelBuilder modelBuilder)
    {
        UniqueOld(modelBuilder);
        modelBuilder.Entity<User>().Property<string?>("Encrypted").HasColumnName("MailEncrypted").IsEncrypted()
            .HasBlindIndex(isUnique: true, allowMissingWhileBackfilling: true);
    }

    private static void UniqueBoth(ModelBuilder modelBuilder)
    {
        UniqueOld(modelBuilder);
        modelBuilder.Entity<User>().Property<string?>("Encrypted").HasColumnName("MailEncrypted").IsEncrypted().HasBlindIndex(isUnique: true);
    }

    private static void UniqueNew(ModelBuilder modelBuilder)
    {
        UniqueBoth(modelBuilder);
        modelBuilder.Entity<User>().Ignore(u => u.Mail);
    }

    private async Task WriteBothAsync(Action<ModelBuilder> build, int id, string mail)
    {
        await using var context = Create(build);
        var entry = context.Add(new User { Id = id, Mail = mail });
        if (entry.Metadata.FindProperty("Encrypted") is not null)
            entry.Property("Encrypted").CurrentValue = mail;
        await context.SaveChangesAsync();
    }

    private async Task AssertDuplicatesRefusedAsync(Action<ModelBuilder> build, params string[] mails)
    {
        foreach (var mail in mails)
            await Assert.ThrowsAsync<DbUpdateException>(() => WriteBothAsync(build, 1000, mail));
    }

    private async Task WriteAsync(Action<ModelBuilder> build, int id, string mail)
    {
        await using var context = Create(build);
        context.Add(new User { Id = id, Mail = mail });
        await context.SaveChangesAsync();
    }

    private async Task AssertReadsAsync(Action<ModelBuilder> build, string kind, string[] mails)
    {
        await using var context = Create(build);
        Assert.Equal(mails, await context.Set<User>().OrderBy(u => u.Id).Select(u => u.Mail).ToListAsync());
        if (kind == "randomized")
            return;
        foreach (var mail in mails)
            Assert.Equal(1, await context.Set<User>().CountAsync(u => u.Mail == mail));
    }

    // As an instance of the build before sees the table, which knows nothing of envelopes.
    private OldContext OpenOld() => new(((DbContextOptionsBuilder<OldContext>)Database.UseProvider(new DbContextOptionsBuilder<OldContext>())).Options);

    private async Task WriteOldAsync(int id, string mail)
    {
        await using var context = OpenOld();
        context.Add(new User { Id = id, Mail = mail });
        await context.SaveChangesAsync();
    }

    private async Task<List<string>> ReadOldAsync()
    {
        await using var context = OpenOld();
        return await context.Users.OrderBy(u => u.Id).Select(u => u.Mail).ToListAsync();
    }

    private async Task<int> CountPlaintextAsync() => (await ReadOldAsync()).Count(m => !m.StartsWith("efenvelope:v1:", StringComparison.Ordinal));

    private EncryptedDatabase OpenDatabase() => EncryptedDatabase.Open(Options<ModelContext>());

    private async Task<IReadOnlyList<Diagnosis>> DiagnoseAsync()
    {
        await using var database = OpenDatabase();
        return await database.Scans.DiagnoseAsync();
    }

    private async Task RunAsync(JobKind kind, string? into = null)
    {
        await using var database = OpenDatabase();
        var job = await database.Jobs.EnqueueAsync(await database.Jobs.PlanAsync(new JobRequest { Kind = kind, Table = "Users", Columns = ["Mail"], Into = into }));
        await database.Jobs.RunAsync([job.Id]);
        Assert.Equal((JobState.Completed, 0L), await database.Jobs.GetAsync(job.Id) is var done ? (done.State, done.RowsRefused) : default);
    }

    private sealed class OldContext(DbContextOptions<OldContext> options) : DbContext(options)
    {
        public DbSet<User> Users => Set<User>();

        protected override void OnModelCreating(ModelBuilder modelBuilder) => Model(null, null)(modelBuilder);
    }

    private sealed class User
    {
        public int Id { get; set; }

        public string Mail { get; set; } = "";
    }
}
