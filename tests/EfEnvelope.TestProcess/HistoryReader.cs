using EfEnvelope.Specification.History;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.TestProcess;

/// <summary>Reads rows by their keys, and looks for values that stay and for values that change; logs what it saw.</summary>
internal sealed class HistoryReader(FileKms kms) : HistoryProcess(kms)
{
    protected override async Task RunAsync(HistoryRun run, CancellationToken stop)
    {
        using var log = new HistoryLog(run.LogFile);
        var options = Options(run);
        await Task.WhenAll(
            Enumerable.Range(0, run.Sessions).Select(
                async number =>
                {
                    var random = new Random(run.SeedOf(number));
                    while (!stop.IsCancellationRequested)
                        await RestAsync(await StepAsync(run, log, random, options), stop);
                }));
    }

    private static async Task<int> StepAsync(HistoryRun run, HistoryLog log, Random random, DbContextOptions options)
    {
        try
        {
            await using var db = HistoryContext.Open(run.Storage, options);
            await ReadAsync(db, run, log, random);
            return random.Next((2 * run.Pause) + 1);
        }
        catch (Exception e)
        {
            HistoryFaults.Judge(e, out var isAlarm);
            if (isAlarm)
                log.Alarm($"{run.Name}: {e}");
            return 50 + random.Next(50);
        }
    }

    private static async Task ReadAsync(HistoryContext db, HistoryRun run, HistoryLog log, Random random)
    {
        var begin = HistoryLog.Now();
        var choice = random.Next(run.Rows <= 1000 ? 102 : 100);
        if (choice >= 100)
        {
            log.Query(begin, await db.Find(null, null).ToListAsync());
            return;
        }

        if (choice < 30)
        {
            var id = 1 + random.NextInt64(run.Rows);
            log.Query(begin, await db.Rows.AsNoTracking().Where(r => r.Id == id).ToListAsync(), id);
            return;
        }

        // Every value that a query looks for is one that rows which keep theirs have, and others have it now and then.
        var stable = HistoryPlan.Initial(5 * (1 + random.Next(Math.Max(1, run.Rows / 5))));
        var column = HistoryPlan.Searched[choice % HistoryPlan.Searched.Count];
        var value = stable.Get(column) ?? HistoryPlan.NoteOf(0);
        var found = await db.Find(column, value).ToListAsync();
        log.Query(begin, found, column: column, value: value);
    }
}
