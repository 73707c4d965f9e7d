using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Rotation;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteJobResumptionTests() : JobResumptionSpecification(new SqliteTestDatabase());

public sealed class PostgresJobResumptionTests() : JobResumptionSpecification(new PostgresTestDatabase())
{
    // The claim is the one connection that is idle in a transaction at that moment.
    private const string Claim = "state = 'idle in transaction'";

    [Fact]
    public async Task A_worker_whose_claim_was_cut_and_its_successor_count_nothing_twice()
    {
        var job = await PrepareAsync();
        var other = Reopen();
        var (batches, successor) = (0, (Task<JobInfo>?)null);
        Encrypted.BeforeWrite = async () =>
        {
            if (++batches != 2)
                return;
            await KillAsync(Claim);
            successor = RunAsync(job.Id, by: other);
            while ((await Encrypted.Jobs.GetAsync(job.Id)).RowsWritten <= 10)
                await Task.Delay(20);
        };
        await RunAsync(job.Id);
        await successor!;
        await AssertExactAsync(job.Id);
    }

    [Theory]
    [InlineData(Claim)]
    [InlineData("state = 'idle' AND query LIKE 'SELECT%t.\"v\"%'")]
    [InlineData("state = 'idle' AND query NOT LIKE 'SELECT%t.\"v\"%'")]
    [InlineData("true")]
    public async Task Connections_that_are_cut_at_any_moment_are_made_anew(string which)
    {
        var job = await PrepareAsync();
        var batches = 0;
        Encrypted.BeforeWrite = () => ++batches is 2 or 5 or 9 ? KillAsync(which) : Task.CompletedTask;
        await RunAsync(job.Id);
        await AssertExactAsync(job.Id);
    }

    [Fact]
    public async Task A_connection_that_is_cut_makes_a_call_of_one_range_an_outage()
    {
        var job = await PrepareAsync();
        Encrypted.BeforeWrite = () => KillAsync("true");
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Encrypted.Jobs.RunRangeAsync(job.Id));
    }

    private Task KillAsync(string which)
        => SqlAsync($"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND ({which})");
}
