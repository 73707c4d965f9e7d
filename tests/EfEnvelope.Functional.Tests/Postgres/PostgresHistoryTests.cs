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
    public async Task Engine_that_looks_before_it_writes_loses_no_write_of_many_into_the_rows_it_has_read()
        => await AssertRightAsync(await NewReencryptionAsync(HistorySize.Hammered));

    [Fact]
    public async Task Engine_that_writes_without_looking_is_caught()
    {
        var faults = await (await NewReencryptionAsync(HistorySize.Hammered, isBroken: true)).RunAsync();
        Assert.Contains(faults, f => f.Contains(" is torn", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Long_reencryption_of_many_rows_under_faults_loses_no_write_and_misses_no_row()
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("EFENVELOPE_LONG") == "1", "EFENVELOPE_LONG is not 1; the history of 20,000 rows takes minutes, so it runs on demand.");
        await AssertRightAsync(await NewReencryptionAsync(HistorySize.Large));
    }

    private static Task RunAsync(int run, Func<Task> scenario)
    {
        Assert.True(run > 0);
        return scenario();
    }
}
