using EfEnvelope.Specification.TestUtilities;
using LinqToDB.StandIn;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>A library that runs queries past EF Core is refused where the context's options show it.</summary>
public sealed class LinqToDbTests
{
    [Fact]
    public void Context_that_is_configured_for_linq2db_is_refused()
    {
        var builder = new DbContextOptionsBuilder<DbContext>().UseSqlite("Data Source=:memory:").UseEnvelopeEncryption(e => e.UseKms(TestKms.Shared));
        ((IDbContextOptionsBuilderInfrastructure)builder).AddOrUpdateExtension(new OptionsExtension());

        var e = Assert.Throws<EnvelopeConfigurationException>(() => new DbContext(builder.Options).Model);
        Assert.Contains("Remove 'UseLinqToDB'", e.Message, StringComparison.Ordinal);
    }
}
