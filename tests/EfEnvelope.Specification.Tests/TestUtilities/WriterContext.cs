using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>The rows that several processes write.</summary>
public sealed class WriterContext(DbContextOptions<WriterContext> options) : DbContext(options)
{
    public DbSet<WrittenRow> Rows => Set<WrittenRow>();
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
