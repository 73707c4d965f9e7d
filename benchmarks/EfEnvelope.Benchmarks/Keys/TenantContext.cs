using EfEnvelope.Kms;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Benchmarks.Keys;

internal sealed class Tenant
{
    public int Id { get; set; }

    [Encrypted]
    public string Secret { get; set; } = "";
}

/// <summary>The context of one tenant, whose values are encrypted under a ring of its own.</summary>
internal sealed class TenantContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<Tenant> Tenants => Set<Tenant>();

    /// <summary>Builds what an application builds for each tenant. Contexts with the same KMS instance share their rings, as in one process.</summary>
    public static TenantContext Create(KeyDatabaseKind kind, string connectionString, IKeyWrapper kms, string scope)
    {
        var options = new DbContextOptionsBuilder<TenantContext>();
        if (kind == KeyDatabaseKind.Sqlite)
            options.UseSqlite(connectionString);
        else
            options.UseNpgsql(connectionString);
        options.UseEnvelopeEncryption(envelope => envelope.UseKms(kms).UseScope(scope));

        // Each round is a process of its own, with services of its own.
        options.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        return new TenantContext(options.Options);
    }
}
