using Xunit;

namespace EfEnvelope.Functional.History;

/// <summary>
/// No acknowledged write is lost, none is half applied, and no query misses a row, while a job converts rows that many processes write and read, workers and
/// writers are killed, connections are cut and the server is restarted.
/// </summary>
public abstract class HistorySpecification(HistoryFixture fixture, HistorySize size)
{
    public static TheoryData<int> Runs(int count) => new(Enumerable.Range(1, count));

    protected async Task ReencryptAsync() => await AssertRightAsync(await NewReencryptionAsync(size));

    protected async Task BackfillAsync()
        => await AssertRightAsync(new BackfillScenario(await fixture.GetServerAsync(), fixture.Crew, size, HistoryFixture.NewSeed()));

    protected async Task DecryptAsync()
        => await AssertRightAsync(new DecryptionScenario(await fixture.GetServerAsync(), fixture.Crew, size, HistoryFixture.NewSeed()));

    protected async Task<ReencryptionScenario> NewReencryptionAsync(HistorySize ofSize, bool isBroken = false)
        => new(await fixture.GetServerAsync(), fixture.Crew, ofSize, HistoryFixture.NewSeed()) { IsBroken = isBroken };

    protected static async Task AssertRightAsync(HistoryScenario scenario)
    {
        var faults = await scenario.RunAsync();
        Assert.True(faults.Count == 0, $"{scenario} is wrong:{Environment.NewLine}{string.Join(Environment.NewLine, faults)}");
    }
}
