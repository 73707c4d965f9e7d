using EfEnvelope.Kms.Local;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace EfEnvelope.Cli.TestUtilities;

/// <summary>How far an application has come with a column that was plaintext: each step is a version that is deployed.</summary>
public enum ShopStep
{
    Plain,
    Backfilling,
    Encrypted,
    Decrypting,
}

/// <summary>The application over Chinook's customers, which goes on while the tool works.</summary>
public sealed class ShopContext(DbContextOptions options, ShopStep step, Func<string, string> name) : DbContext(options)
{
    public DbSet<ShopCustomer> Customers => Set<ShopCustomer>();

    public ShopStep Step => step;

    protected override void OnModelCreating(ModelBuilder modelBuilder)
        => modelBuilder.Entity<ShopCustomer>(
            c =>
            {
                c.ToTable(name("Customer"));
                foreach (var property in new[] { nameof(ShopCustomer.CustomerId), nameof(ShopCustomer.FirstName), nameof(ShopCustomer.Email), nameof(ShopCustomer.Phone) })
                    c.Property(property).HasColumnName(name(property));
                c.HasKey(x => x.CustomerId);
                if (step == ShopStep.Plain)
                    return;
                var (email, phone) = (
                    c.Property(x => x.Email).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text),
                    c.Property(x => x.Phone).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text));
                if (step == ShopStep.Backfilling)
                    (email, phone) = (email.AllowPlaintextWhileBackfilling(), phone.AllowPlaintextWhileBackfilling());
                if (step == ShopStep.Decrypting)
                    (_, _) = (email.StorePlaintextDuringTransition(), phone.StorePlaintextDuringTransition());
            });

    public static ShopContext Open(ToolWorld world, Action<DbContextOptionsBuilder> provider, LocalKmsSeal seal, ShopStep step, Func<string, string> name)
    {
        var builder = new DbContextOptionsBuilder<ShopContext>();
        builder.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        provider(builder);
        builder.ReplaceService<IModelCacheKeyFactory, StepCacheKeyFactory>();
        builder.UseEnvelopeEncryption(e => e.UseLocalKms($"Data Source={world.KmsFile}", seal).UseScope("shop")
            .Configure(o => o with { RefreshInterval = TimeSpan.FromMilliseconds(500), ActivationDelay = TimeSpan.FromSeconds(1) }));
        return new ShopContext(builder.Options, step, name);
    }

    private sealed class StepCacheKeyFactory : IModelCacheKeyFactory
    {
        public object Create(DbContext context, bool designTime) => (context.GetType(), (context as ShopContext)?.Step, designTime);
    }
}

public sealed class ShopCustomer
{
    public int CustomerId { get; set; }

    public string FirstName { get; set; } = "";

    public string Email { get; set; } = "";

    public string? Phone { get; set; }
}
