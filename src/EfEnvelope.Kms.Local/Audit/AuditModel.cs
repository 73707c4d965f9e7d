using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>The tables of the audit trail.</summary>
internal static class AuditModel
{
    public static void Configure(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<AuditEventRow>(audit =>
        {
            audit.ToTable("kms_audit_events").HasKey(e => e.Sequence);
            audit.HasIndex(e => e.Time);
            audit.Property(e => e.Sequence).HasColumnName("sequence").ValueGeneratedNever();
            audit.Property(e => e.Time).HasColumnName("time");
            audit.Property(e => e.Principal).HasColumnName("principal").HasMaxLength(AuditLimits.Principal);
            audit.Property(e => e.Operation).HasColumnName("operation").HasMaxLength(AuditLimits.Operation);
            audit.Property(e => e.KeyName).HasColumnName("key_name").HasMaxLength(AuditLimits.KeyName);
            audit.Property(e => e.KeyId).HasColumnName("key_id").HasMaxLength(AuditLimits.KeyId);
            audit.Property(e => e.KeyVersion).HasColumnName("key_version");
            audit.Property(e => e.Context).HasColumnName("context");
            audit.Property(e => e.Detail).HasColumnName("detail").HasMaxLength(AuditLimits.Detail);
            audit.Property(e => e.Outcome).HasColumnName("outcome").HasMaxLength(AuditLimits.Outcome);
            audit.Property(e => e.ErrorKind).HasColumnName("error_kind").HasMaxLength(AuditLimits.ErrorKind);
            audit.Property(e => e.Rule).HasColumnName("rule").HasMaxLength(AuditLimits.Rule);
            audit.Property(e => e.CorrelationId).HasColumnName("correlation_id").HasMaxLength(AuditLimits.CorrelationId);
            audit.Property(e => e.Node).HasColumnName("node").HasMaxLength(AuditLimits.Node);
            audit.Property(e => e.Hash).HasColumnName("hash").HasMaxLength(AuditChain.HashSize);
            audit.Property(e => e.KeyedHash).HasColumnName("keyed_hash").HasMaxLength(AuditChain.HashSize);
        });

        modelBuilder.Entity<AuditHeadRow>(head =>
        {
            head.ToTable("kms_audit_head").HasKey(h => h.Id);
            head.Property(h => h.Id).HasColumnName("id").ValueGeneratedNever();
            head.Property(h => h.Sequence).HasColumnName("sequence");
            head.Property(h => h.Hash).HasColumnName("hash").HasMaxLength(AuditChain.HashSize);
            head.Property(h => h.KeyedHash).HasColumnName("keyed_hash").HasMaxLength(AuditChain.HashSize);
            head.Property(h => h.Mac).HasColumnName("mac").HasMaxLength(32);
        });

        modelBuilder.Entity<AuditCheckpointRow>(checkpoint =>
        {
            checkpoint.ToTable("kms_audit_checkpoints").HasKey(c => c.Sequence);
            checkpoint.Property(c => c.Sequence).HasColumnName("sequence").ValueGeneratedNever();
            checkpoint.Property(c => c.Time).HasColumnName("time");
            checkpoint.Property(c => c.Hash).HasColumnName("hash").HasMaxLength(AuditChain.HashSize);
            checkpoint.Property(c => c.Signature).HasColumnName("signature").HasMaxLength(100);
        });

        modelBuilder.Entity<AuditKeyRow>(key =>
        {
            key.ToTable("kms_audit_key").HasKey(k => k.Id);
            key.Property(k => k.Id).HasColumnName("id").ValueGeneratedNever();
            key.Property(k => k.PublicKey).HasColumnName("public_key").HasMaxLength(200);
            key.Property(k => k.SealedPrivateKey).HasColumnName("sealed_private_key").HasMaxLength(200);
        });
    }
}
