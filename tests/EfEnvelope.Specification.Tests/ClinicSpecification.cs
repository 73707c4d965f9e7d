using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification;

/// <summary>The base of specifications over the clinic's model.</summary>
public abstract class ClinicSpecification(TestDatabase database) : EnvelopeSpecification(database, TestKms.Shared)
{
    protected CommandRecorder Recorder { get; } = new();

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        if (!Database.Exists)
            return;
        await using var db = Open();
        await db.Database.EnsureCreatedAsync();
        db.Seed();
        Recorder.Clear();
    }

    protected ClinicContext Open(Action<DbContextOptionsBuilder<ClinicContext>>? configure = null)
    {
        var builder = new DbContextOptionsBuilder<ClinicContext>(Options<ClinicContext>());
        builder.AddInterceptors(Recorder);
        configure?.Invoke(builder);
        return new ClinicContext(builder.Options);
    }
}
