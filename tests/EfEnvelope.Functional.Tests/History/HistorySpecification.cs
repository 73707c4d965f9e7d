using Xunit;

namespace EfEnvelope.Functional.History;

/// <summary>
/// No acknowledged write is lost, none is half applied, and no query misses a row, while a job converts rows that many processes write and read, workers and
/// writers are killed, connections are cut and the server is restarted.
/// </summary>
public abstract class HistorySpecification(HistoryFixture fixture, HistorySize size)
{
    protected HistoryFixture Fixture => fixture;

    public static TheoryData<int> Runs(int count) => new(Enumerable.Range(1, count));

    protected Task ReencryptAsync() => AssertRightAsync(new ReencryptionScenario(fixture.Server, fixture.Crew, size, HistoryFixture.NewSeed()));

    protected Task BackfillAsync() => AssertRightAsync(new BackfillScenario(fixture.Server, fixture.Crew, size, HistoryFixture.NewSeed()));

    protected Task DecryptAsync() => AssertRightAsync(new DecryptionScenario(fixture.Server, fixture.Crew, size, HistoryFixture.NewSeed()));

    protected static async Task AssertRightAsync(HistoryScenario scenario)
    {
        var faults = await scenario.RunAsync();
        Assert.True(faults.Count == 0, $"{scenario} is wrong:{Environment.NewLine}{string.Join(Environment.NewLine, faults)}");
    }
}
