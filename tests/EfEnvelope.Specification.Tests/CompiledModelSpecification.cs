using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// Models that were generated as source code and compiled, as <c>dotnet ef dbcontext optimize</c> does. Such a model is one object per process, whoever
/// uses it.
/// </summary>
public abstract class CompiledModelSpecification(TestDatabase database, TestDatabase? second) : EnvelopeSpecification(database)
{
    private readonly TestKms _otherKms = new("other");

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
    public async Task Every_kind_of_property_works_and_the_source_holds_no_key(bool forNativeAot)
    {
        var (model, sources) = Generate(forNativeAot);

        // Nothing may have been encrypted while the model was generated.
        Assert.Equal(0, Kms.Wraps + Kms.Unwraps);
        Assert.DoesNotContain(sources, s => s.Contains(nameof(TestKms), StringComparison.Ordinal) || s.Contains("byte[] {", StringComparison.Ordinal));
        Assert.Contains(sources, s => s.Contains("Envelope.From", StringComparison.Ordinal));

        var options = Use(Database, Kms, model);
        await using (var context = new KindsContext(options))
        {
            Assert.Same(model, context.Model);
            await CreateAsync(Database, Kms);
            context.AddRange(Kinds.Full, Kinds.Empty);
            await context.SaveChangesAsync();
        }

        await using (var context = new KindsContext(options))
        {
            var stored = await context.Kinds.OrderBy(k => k.Id).ToListAsync();
            Assert.Equivalent(Kinds.Full, stored[0], strict: true);
            Assert.Equivalent(Kinds.Empty, stored[1], strict: true);
            await AssertFoundAsync(context);
            stored[1].Tags.Add("new");
            stored[0].Count = 0;
            await context.SaveChangesAsync();
            Assert.Equal(1, await context.Kinds.Where(k => k.Id == 2).ExecuteUpdateAsync(s => s.SetProperty(k => k.Name, "Bea")));
        }

        await using (var context = new KindsContext(Use(Database, Kms, model: null)))
        {
            var stored = await context.Kinds.OrderBy(k => k.Id).ToListAsync();
            Assert.Equal((0, "Bea"), (stored[0].Count, stored[1].Name));
            Assert.Equal(["new"], stored[1].Tags);
            await AssertFoundAsync(context);
            await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
            stored[0].Code = "C-2";
            await context.SaveChangesAsync();
        }

        await using (var context = new KindsContext(options))
        {
            Assert.Equal(1, await context.Kinds.CountAsync(k => k.Code == "C-2"));
            await AssertFoundAsync(context);

            // What a unique index compares is written under the second version, too.
            Assert.Equal(0, await CountWithNextAsync(context));
            context.Add(new Kinds { Id = 3, Address = new Address("None", 0), Email = "eve@example.com", Number = 3, TextCode = "T-3" });
            await context.SaveChangesAsync();
            Assert.Equal(1, await CountWithNextAsync(context));
            Assert.Equal(
                1,
                await context.Kinds.Where(k => k.Id == 1).ExecuteUpdateAsync(
                    s => s.SetProperty(k => k.Email, "ada@example.org").SetProperty(k => k.Number, 1).SetProperty(k => k.TextCode, "T-1")));
            Assert.Equal(2, await CountWithNextAsync(context));
        }
    }

    private static Task<int> CountWithNextAsync(KindsContext context)
        => context.Kinds.CountAsync(
            k => EF.Property<TextEnvelope?>(k, "TextCode_Next") != null
                && EF.Property<Envelope?>(k, "Number_Next") != null
                && EF.Property<Envelope?>(k, "Email_BlindIndex_Next") != null);

    private static async Task AssertFoundAsync(KindsContext context)
    {
        var (email, code) = ("ADA@example.com", "T-1");
        string[] codes = [code, "T-2"];
        var day = new DateOnly(1815, 12, 10);
        Assert.Equal(1, (await context.Kinds.SingleAsync(k => k.Email == email)).Id);
        Assert.Equal(1, (await context.Kinds.SingleAsync(k => k.Email!.StartsWith("ada"))).Id);
        Assert.Equal(1, (await context.Kinds.SingleAsync(k => k.Number == 12345678901)).Id);
        Assert.Equal(1, (await context.Kinds.SingleAsync(k => k.TextCode == code)).Id);
        Assert.Equal(1, (await context.Kinds.SingleAsync(k => codes.Contains(k.TextCode))).Id);
        Assert.Equal(1, (await context.Kinds.SingleAsync(k => k.Remark == "a remark")).Id);
        Assert.Equal(1, (await context.Kinds.SingleAsync(k => k.Last == "King" && k.BornOn == day)).Id);
        Assert.Equal(2, (await context.Kinds.SingleAsync(k => k.TextCode == null)).Id);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_compiled_model_serves_two_hosts_and_mixes_no_keys(bool forNativeAot)
    {
        Assert.SkipWhen(second is null, "This server offers one database only.");
        var (model, _) = Generate(forNativeAot);
        var (first, other) = (Use(Database, Kms, model), Use(second, _otherKms, model));
        await CreateAsync(Database, Kms);
        await CreateAsync(second, _otherKms);
        foreach (var options in new[] { first, other })
        {
            await using var context = new KindsContext(options);
            context.Add(Kinds.Full);
            await context.SaveChangesAsync();
        }

        foreach (var options in new[] { first, other })
        {
            await using var context = new KindsContext(options);
            Assert.Same(model, context.Model);
            Assert.Equal("Ada", (await context.Kinds.SingleAsync()).Name);
        }

        Assert.Equal((1, 1), (Kms.Wraps, _otherKms.Wraps));
        await using var wrong = new KindsContext(Use(second, Kms, model));
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => wrong.Kinds.SingleAsync());
    }

    [Fact]
    public async Task Default_schema_of_a_compiled_model_is_where_the_keys_are()
    {
        var (model, _) = Generate(forNativeAot: false);
        var usual = new KindsContext(Use(Database, Kms, model: null)).Model;

        Assert.Equal(usual.GetDefaultSchema(), model.GetDefaultSchema());
        Assert.Equal("clinic", model.GetDefaultSchema());
        await CreateAsync(Database, Kms);
        await using var context = new KindsContext(Use(Database, Kms, model));
        await context.Database.LoadEnvelopeKeysAsync();
        Assert.Single(await context.Database.GetEnvelopeKeysAsync());
    }

    private (IModel Model, IReadOnlyList<string> Sources) Generate(bool forNativeAot)
    {
        using var context = new KindsContext(Use(Database, Kms, model: null));
        var sources = DesignTime.ScaffoldModel(context, forNativeAot);
        return (DesignTime.LoadModel(DesignTime.Compile(sources)), sources);
    }

    // Tables are made by the usual model: compiled ones have no design-time facts.
    private static async Task CreateAsync(TestDatabase database, TestKms kms)
    {
        await using var context = new KindsContext(Use(database, kms, model: null));
        await context.Database.EnsureCreatedAsync();
    }

    private static DbContextOptions<KindsContext> Use(TestDatabase database, TestKms kms, IModel? model)
    {
        var builder = new DbContextOptionsBuilder<KindsContext>();
        database.UseProvider(builder)
            .UseEnvelopeEncryption(e => e.UseKms(kms))
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        return (model is null ? builder : builder.UseModel(model)).Options;
    }

    public sealed class KindsContext(DbContextOptions<KindsContext> options) : DbContext(options)
    {
        public DbSet<Kinds> Kinds => Set<Kinds>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.HasDefaultSchema("clinic");
            modelBuilder.Entity<Kinds>(
                b =>
                {
                    b.Property(k => k.Id).ValueGeneratedNever();
                    b.Property(k => k.Name).HasMaxLength(50);
                    b.Property(k => k.Count).HasSentinel(-1);
                    b.Property(k => k.Address).HasConversion<AddressConverter>();
                    b.Property(k => k.Named).HasConversion<string>();
                    b.Property(k => k.NamedText).HasConversion<string>();
                    b.Property(k => k.Remark).AllowPlaintextWhileBackfilling();
                });
        }
    }

    public enum Grade
    {
        Low = 1,
        High = 2,
    }

    public sealed record Address(string Street, int Number);

    public sealed class AddressConverter() : ValueConverter<Address, string>(a => $"{a.Number} {a.Street}", s => Parse(s))
    {
        public static Address Parse(string text)
        {
            var parts = text.Split(' ', 2);
            return new Address(parts[1], int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    [CompoundBlindIndex(nameof(Last), nameof(BornOn))]
    [Index(nameof(TextCode), IsUnique = true)]
    [Index(nameof(Number), IsUnique = true)]
    public sealed class Kinds
    {
        public static Kinds Full
            => new()
            {
                Id = 1, Name = "Ada", Count = 7, Maybe = 8, Grade = Grade.High, Named = Grade.Low, Tags = ["a", "b"], Numbers = [1, 2],
                Address = new Address("Jasper Ave", 11120), Bytes = [1, 2, 3], Born = new DateOnly(1815, 12, 10), Price = 1.50m,
                Stamp = new DateTimeOffset(2020, 1, 2, 3, 4, 5, TimeSpan.FromHours(2)), Flag = true,
                Key = Guid.Parse("6f9619ff-8b86-d011-b42d-00c04fc964ff"), Email = "ada@example.com", Number = 12345678901, Code = "C-1", TextCode = "T-1",
                Remark = "a remark", Last = "King", BornOn = new DateOnly(1815, 12, 10), NamedText = Grade.High,
            };

        public static Kinds Empty => new() { Id = 2, Address = new Address("None", 0) };

        public int Id { get; set; }

        [Encrypted]
        public string? Name { get; set; }

        [Encrypted]
        public int Count { get; set; }

        [Encrypted]
        public int? Maybe { get; set; }

        [Encrypted]
        public Grade Grade { get; set; } = Grade.Low;

        [Encrypted]
        public Grade Named { get; set; } = Grade.Low;

        [Encrypted]
        public List<string> Tags { get; set; } = [];

        [Encrypted]
        public int[] Numbers { get; set; } = [];

        [Encrypted]
        public Address Address { get; set; } = null!;

        [Encrypted]
        public byte[]? Bytes { get; set; }

        [Encrypted]
        public DateOnly? Born { get; set; }

        [Encrypted]
        public decimal Price { get; set; }

        [Encrypted]
        public DateTimeOffset Stamp { get; set; }

        [Encrypted]
        public bool Flag { get; set; }

        [Encrypted]
        public Guid Key { get; set; }

        [Encrypted]
        [BlindIndex(Normalization.Email, IsUnique = true)]
        [BlindIndex(Normalization.Email, Projection = BlindIndexProjection.First, Characters = 3)]
        public string? Email { get; set; }

        [Encrypted(EncryptionMode.Deterministic)]
        public long Number { get; set; }

        [Encrypted]
        [BlindIndex]
        public string? Code { get; set; }

        [Encrypted(EncryptionMode.Deterministic, Storage = EncryptedStorage.Text)]
        public string? TextCode { get; set; }

        [Encrypted(Storage = EncryptedStorage.Text)]
        [BlindIndex]
        public string? Remark { get; set; }

        [Encrypted]
        public string? Last { get; set; }

        [Encrypted]
        public DateOnly? BornOn { get; set; }

        [Encrypted(Storage = EncryptedStorage.Text)]
        public Grade NamedText { get; set; } = Grade.Low;
    }
}
