using System.ComponentModel.DataAnnotations;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>The rows that several processes write.</summary>
public sealed class WriterContext(DbContextOptions<WriterContext> options) : DbContext(options)
{
    public DbSet<WrittenRow> Rows => Set<WrittenRow>();

    public DbSet<ClaimedName> Claims => Set<ClaimedName>();
}

/// <summary>What several processes claim at once: every name and alias belongs to one of them.</summary>
[Index(nameof(Name), IsUnique = true)]
public sealed class ClaimedName
{
    public int Id { get; set; }

    public required string Writer { get; set; }

    [Encrypted(EncryptionMode.Deterministic), MaxLength(100)]
    public required string Name { get; set; }

    [Encrypted, BlindIndex(IsUnique = true)]
    public required string Alias { get; set; }

    [Encrypted(EncryptionMode.Deterministic), MaxLength(100)]
    public required string Tag { get; set; }

    [Encrypted, BlindIndex]
    public required string Email { get; set; }

    public static ClaimedName Of(string writer, string name) => new() { Writer = writer, Name = name, Alias = name, Tag = name, Email = name };
}

public sealed class WrittenRow
{
    public int Id { get; set; }

    public required string Writer { get; set; }

    public required int Number { get; set; }

    [Encrypted]
    public required string Secret { get; set; }

    public static string SecretOf(string writer, int number) => $"{writer} wrote number {number}";
}
