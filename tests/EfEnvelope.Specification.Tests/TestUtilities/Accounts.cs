using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>How the accounts of ASP.NET Core Identity are made searchable.</summary>
public enum AccountStyle
{
    /// <summary>By blind indexes alone.</summary>
    BlindIndexes,

    /// <summary>By deterministic encryption of what Identity itself looks for.</summary>
    Deterministic,
}

/// <summary>The accounts of ASP.NET Core Identity, whose types are not ours to annotate.</summary>
public abstract class AccountsContext(DbContextOptions options) : IdentityDbContext<IdentityUser>(options);

public sealed class BlindlyIndexedAccountsContext(DbContextOptions<BlindlyIndexedAccountsContext> options) : AccountsContext(options)
{
    protected override void OnModelCreating(ModelBuilder builder)
    {
        base.OnModelCreating(builder);
        var user = builder.Entity<IdentityUser>();
        user.Property(u => u.UserName).IsEncrypted().HasBlindIndex(Normalization.CaseInsensitive);
        user.Property(u => u.NormalizedUserName).IsEncrypted().HasBlindIndex();
        user.Property(u => u.Email).IsEncrypted().HasBlindIndex(Normalization.CaseInsensitive);
        user.Property(u => u.NormalizedEmail).IsEncrypted().HasBlindIndex();
        user.Property(u => u.PhoneNumber).IsEncrypted().HasBlindIndex();
    }
}

public sealed class DeterministicAccountsContext(DbContextOptions<DeterministicAccountsContext> options) : AccountsContext(options)
{
    protected override void OnModelCreating(ModelBuilder builder)
    {
        base.OnModelCreating(builder);
        var user = builder.Entity<IdentityUser>();
        user.Property(u => u.UserName).IsEncrypted().HasBlindIndex();
        user.Property(u => u.NormalizedUserName).IsEncrypted(EncryptionMode.Deterministic);
        user.Property(u => u.Email).IsEncrypted().HasBlindIndex();
        user.Property(u => u.NormalizedEmail).IsEncrypted(EncryptionMode.Deterministic);
        user.Property(u => u.PhoneNumber).IsEncrypted(EncryptionMode.Deterministic);
    }
}
