using EfEnvelope.Kms;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Testing;

/// <summary>The application of the page: one entity, and a KMS that only the real one reaches.</summary>
public sealed class ClinicContext(DbContextOptions<ClinicContext> options) : DbContext(options)
{
    public DbSet<Patient> Patients => Set<Patient>();
}

public sealed class Patient
{
    public int Id { get; set; }

    [Encrypted, BlindIndex(Normalization.Email)]
    public string Email { get; set; } = "";

    [Encrypted]
    public string? Note { get; set; }
}

/// <summary>What the application uses in production: from a test it cannot be reached.</summary>
internal sealed class ProductionKms : IKeyWrapper
{
    public KekUri Kek { get; } = new("production-kms:clinic");

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => throw new KmsException(KmsErrorKind.Unavailable, "The KMS of production cannot be reached from here.");

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => throw new KmsException(KmsErrorKind.Unavailable, "The KMS of production cannot be reached from here.");
}
