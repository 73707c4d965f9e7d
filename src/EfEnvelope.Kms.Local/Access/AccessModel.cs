using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>The tables of access control.</summary>
internal static class AccessModel
{
    public static void Configure(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<AccessStateRow>(state =>
        {
            state.ToTable("kms_access").HasKey(s => s.Id);
            state.Property(s => s.Id).HasColumnName("id").ValueGeneratedNever();
            state.Property(s => s.Enforced).HasColumnName("enforced");
            state.Property(s => s.Revision).HasColumnName("revision").IsConcurrencyToken();
            state.Property(s => s.Policies).HasColumnName("policies").HasMaxLength(32);
            state.Property(s => s.Mac).HasColumnName("mac").HasMaxLength(32);
        });

        modelBuilder.Entity<PrincipalRow>(principal =>
        {
            principal.ToTable("kms_principals").HasKey(p => p.Name);
            principal.Property(p => p.Name).HasColumnName("name").HasMaxLength(PrincipalName.MaximumLength);
            principal.Property(p => p.PrincipalId).HasColumnName("principal_id").HasMaxLength(32);
            principal.Property(p => p.CredentialHash).HasColumnName("credential_hash").HasMaxLength(32);
            principal.Property(p => p.FormerHash).HasColumnName("former_hash").HasMaxLength(32);
            principal.Property(p => p.FormerUntil).HasColumnName("former_until");
            principal.Property(p => p.Disabled).HasColumnName("disabled");
            principal.Property(p => p.Created).HasColumnName("created");
            principal.Property(p => p.Revision).HasColumnName("revision").IsConcurrencyToken();
            principal.Property(p => p.Mac).HasColumnName("mac").HasMaxLength(32);
        });

        modelBuilder.Entity<PolicyRow>(policy =>
        {
            policy.ToTable("kms_policies").HasKey(p => p.Name);
            policy.Property(p => p.Name).HasColumnName("name").HasMaxLength(PrincipalName.MaximumLength);
            policy.Property(p => p.Document).HasColumnName("document");
            policy.Property(p => p.Changed).HasColumnName("changed");
            policy.Property(p => p.Mac).HasColumnName("mac").HasMaxLength(32);
        });

        modelBuilder.Entity<GrantRow>(grant =>
        {
            grant.ToTable("kms_grants").HasKey(g => g.GrantId);
            grant.HasIndex(g => g.PrincipalId);
            grant.Property(g => g.GrantId).HasColumnName("grant_id").HasMaxLength(32);
            grant.Property(g => g.Principal).HasColumnName("principal").HasMaxLength(PrincipalName.MaximumLength);
            grant.Property(g => g.PrincipalId).HasColumnName("principal_id").HasMaxLength(32);
            grant.Property(g => g.KeyName).HasColumnName("key_name").HasMaxLength(200);
            grant.Property(g => g.Operations).HasColumnName("operations");
            grant.Property(g => g.Context).HasColumnName("context");
            grant.Property(g => g.ContextExactly).HasColumnName("context_exactly");
            grant.Property(g => g.Expires).HasColumnName("expires");
            grant.Property(g => g.Created).HasColumnName("created");
            grant.Property(g => g.Mac).HasColumnName("mac").HasMaxLength(32);
        });
    }
}
