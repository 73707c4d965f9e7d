using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Rotation;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteJobPlanningTests() : JobPlanningSpecification(new SqliteTestDatabase())
{
    [Theory]
    [InlineData("Data Source=:memory:")]
    [InlineData("Data Source=x;Mode=Memory")]
    [InlineData("")]
    public void Database_in_the_memory_of_one_connection_is_refused(string connectionString)
        => Assert.Throws<EnvelopeConfigurationException>(
            () => EncryptedDatabase.Open(o => o.UseSqlite(connectionString).UseEnvelopeEncryption(e => e.UseKms(TestKms.Shared))));
}

public sealed class PostgresJobPlanningTests() : JobPlanningSpecification(new PostgresTestDatabase())
{
    [Fact]
    public async Task Padded_text_is_refused_in_place()
    {
        await SqlAsync("ALTER TABLE t ADD COLUMN p char(10)");
        var refused = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Jobs.PlanAsync(Backfill(column: "p")));
        Assert.Contains("pads what it holds", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_first_jobs_at_once_make_the_tables_of_jobs_once()
    {
        await SqlAsync("CREATE TABLE x (id integer PRIMARY KEY, v text); CREATE TABLE y (id integer PRIMARY KEY, v text)");
        var plans = await Task.WhenAll(new[] { "t", "x", "y" }.Select(t => Encrypted.Jobs.PlanAsync(Backfill(t))));
        var jobs = await Task.WhenAll(plans.Select(p => Task.Run(() => Encrypted.Jobs.EnqueueAsync(p))));
        Assert.Equal([1L, 2L, 3L], jobs.Select(j => j.Id).Order());
    }
}
