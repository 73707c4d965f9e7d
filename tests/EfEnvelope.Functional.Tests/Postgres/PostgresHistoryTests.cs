using EfEnvelope.Functional.History;
using Xunit;

namespace EfEnvelope.Functional;

[Collection(HistoryCollection.Name)]
public sealed class PostgresHistoryTests(PostgresHistoryFixture fixture)
    : HistorySpecification(fixture, HistorySize.Small), IClassFixture<PostgresHistoryFixture>
{
    [Theory]
    [MemberData(nameof(Runs), 10)]
    public Task Reencryption_under_faults_loses_no_write_and_misses_no_row(int run) => RunAsync(run, ReencryptAsync);

    [Theory]
    [MemberData(nameof(Runs), 4)]
    public Task Backfill_under_faults_loses_no_write_and_misses_no_row(int run) => RunAsync(run, BackfillAsync);

    [Theory]
    [MemberData(nameof(Runs), 4)]
    public Task Decryption_under_faults_loses_no_write_and_misses_no_row(int run) => RunAsync(run, DecryptAsync);

    [Fact]
    public async Task Engine_that_writes_without_looking_is_caught()
    {
        var scenario = new ReencryptionScenario(Fixture.Server, Fixture.Crew, HistorySize.Broken, HistoryFixture.NewSeed()) { IsBroken = true };
        Assert.Contains(await scenario.RunAsync(), f => f.Contains(" is torn", StringComparison.Ordinal));
    }

    [Fact]
    public Task Long_reencryption_of_many_rows_under_faults_loses_no_write_and_misses_no_row()
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("EFENVELOPE_LONG") == "1", "EFENVELOPE_LONG is not 1; the history of 20,000 rows takes minutes, so it runs on demand.");
        return AssertRightAsync(new ReencryptionScenario(Fixture.Server, Fixture.Crew, HistorySize.Large, HistoryFixture.NewSeed()));
    }

    private static Task RunAsync(int run, Func<Task> scenario)
    {
        Assert.True(run > 0);
        return scenario();
    }
}
