using EfEnvelope.Rotation;
using EfEnvelope.Specification.History;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Xunit;

namespace EfEnvelope.Functional.History;

/// <summary>One run: a database is filled, written and read by many processes, converted by workers, and harmed meanwhile; then everything is checked.</summary>
public abstract class HistoryScenario(HistoryServer server, HistoryCrew crew, HistorySize size, int seed)
{
    protected const string Table = "Rows";

    private readonly string _folder = Directory.CreateTempSubdirectory("efenvelope-history-").FullName;
    private bool _applicationRuns;

    protected HistoryServer Server => server;

    protected HistorySize Size => size;

    protected string Connection { get; private set; } = "";

    /// <summary>Gets how the text columns are before the job.</summary>
    protected virtual HistoryStorage Before => HistoryStorage.Encrypted;

    /// <summary>Gets how the application sees them while the job runs.</summary>
    protected virtual HistoryStorage During => HistoryStorage.Encrypted;

    /// <summary>Gets how they are after it.</summary>
    protected virtual HistoryStorage After => HistoryStorage.Encrypted;

    /// <summary>Gets whether the workers write without looking, to show that this is noticed.</summary>
    public bool IsBroken { get; init; }

    /// <summary>Runs it.</summary>
    /// <returns>What the checker found wrong.</returns>
    /// <exception cref="InvalidOperationException">Something else failed: the job, the scan, or the retirement.</exception>
    public async Task<IReadOnlyList<string>> RunAsync()
    {
        try
        {
            var faults = await RunAndCheckAsync();
            if (faults.Count == 0 || IsBroken)
                Directory.Delete(_folder, recursive: true);
            return faults;
        }
        catch (Exception e)
        {
            await crew.DismissAsync();
            throw new InvalidOperationException($"{this} failed. {e.Message}", e);
        }
    }

    public override string ToString()
        => $"The history of seed {seed} (set EFENVELOPE_HISTORY_SEED={seed} to run it again; its logs are in '{_folder}')";

    /// <summary>Does what has to be done before the job, while the application runs already.</summary>
    protected virtual Task PrepareAsync(EncryptedDatabase database) => Task.CompletedTask;

    protected abstract JobRequest CreateRequest();

    /// <summary>Tells whether the job cannot end before the application has.</summary>
    protected virtual bool WaitsForApplication(JobInfo job) => false;

    /// <summary>Asserts what must hold for the stored bytes.</summary>
    protected abstract Task AssertStoredAsync(EncryptedDatabase database);

    /// <summary>Runs what a database that is harmed may refuse at first.</summary>
    public static async Task<T> InsistAsync<T>(Func<Task<T>> action, Func<T, bool>? isDone = null, int seconds = 300)
    {
        var deadline = TimeProvider.System.GetTimestamp() + (seconds * TimeProvider.System.TimestampFrequency);
        while (true)
        {
            try
            {
                var result = await action();
                if (isDone?.Invoke(result) != false)
                    return result;
                if (TimeProvider.System.GetTimestamp() > deadline)
                    throw new TimeoutException($"It took more than {seconds} seconds, and stands at {result}.");
            }
            catch (Exception e) when (e is not (NotImplementedException or EnvelopeConfigurationException or TimeoutException)
                && TimeProvider.System.GetTimestamp() < deadline)
            {
            }

            await Task.Delay(100);
        }
    }

    protected EncryptedDatabase OpenDatabase() => EncryptedDatabase.Open(Configure);

    private async Task<IReadOnlyList<string>> RunAndCheckAsync()
    {
        Connection = await server.CreateDatabaseAsync($"history_{Guid.NewGuid():N}");
        await crew.HireAsync(size.Writers, size.Readers, size.Workers);
        await FillAsync();
        var run = new HistoryRun
        {
            Provider = server.Provider, Connection = Connection, LogFile = "", Name = "", Seed = seed, Storage = During, Writers = size.Writers, Rows = size.Rows,
            Sessions = size.Sessions, Pause = size.Pause, Hammers = size.Hammers, IsBroken = IsBroken,
        };
        HistoryMember[] application = [.. crew.Of("writer"), .. crew.Of("reader")];
        crew.Begin(application, run, _folder);
        _applicationRuns = true;
        await InsistAsync(() => Task.FromResult(application.All(m => CountLines($"{m.Role}{m.Index}.*") >= 6)), all => all);
        await using (var database = OpenDatabase())
        {
            await InsistAsync(async () =>
            {
                await PrepareAsync(database);
                return true;
            });
            await RunJobAsync(database, run);
            await LookAsync();
            server.ForgetConnections(Connection);
            var faults = HistoryChecker.Check(HistoryLog.ReadFolder(_folder));
            if (faults.Count > 0)
                return faults;
            AssertSomethingHappened();
            await AssertStoredAsync(database);
        }

        await server.DropDatabaseAsync(Connection);
        return [];
    }

    private async Task RunJobAsync(EncryptedDatabase database, HistoryRun run)
    {
        var job = (await database.Jobs.EnqueueAsync(await database.Jobs.PlanAsync(CreateRequest()))).Id;
        run = run with { Job = job };
        crew.Begin(crew.Of("worker"), run, _folder);
        var ended = await RunUnderFaultsAsync(() => InsistAsync(() => database.Jobs.GetAsync(job), j => j.HasEnded || WaitsForApplication(j)), run);
        if (!ended.HasEnded)
        {
            await StopApplicationAsync();
            ended = await InsistAsync(() => database.Jobs.GetAsync(job), j => j.HasEnded);
        }

        Assert.True(ended.State == JobState.Completed, $"The job ended as {ended.State}: {ended.Reason}");
        Assert.Empty(await InsistAsync(() => database.Jobs.GetFindingsAsync(job)));
        await HistoryCrew.StopAsync(crew.Of("worker"));
        await StopApplicationAsync();
    }

    private async Task<JobInfo> RunUnderFaultsAsync(Func<Task<JobInfo>> wait, HistoryRun run)
    {
        using var over = new CancellationTokenSource();
        var harm = new HistoryHarm(server, crew, size, run, _folder, seed).RunAsync(over.Token);
        try
        {
            return await wait();
        }
        finally
        {
            await over.CancelAsync();
            await harm;
        }
    }

    private async Task StopApplicationAsync()
    {
        if (!_applicationRuns)
            return;
        await HistoryCrew.StopAsync([.. crew.Of("writer"), .. crew.Of("reader")]);
        _applicationRuns = false;
    }

    private async Task FillAsync()
    {
        await using (var db = Open(During))
            await db.Database.EnsureCreatedAsync();
        using var log = new HistoryLog(Path.Combine(_folder, "setup.log"));
        foreach (var ids in Enumerable.Range(1, size.Rows).Chunk(500))
        {
            await using var db = Open(Before);
            foreach (var id in ids)
            {
                var state = HistoryPlan.Initial(id);
                log.Begin(state.Op, HistoryLog.Now(), id, state.Revision, state);
                db.Add(state.ToRow(id));
            }

            await db.SaveChangesAsync();
            foreach (var id in ids)
                log.End(HistoryPlan.Initial(id).Op, WriteOutcome.Acknowledged);
        }
    }

    // What the application sees when all is over: all rows, and whatever it looks for. There are no later answers, so what these do not show is lost.
    private async Task LookAsync()
    {
        using var log = new HistoryLog(Path.Combine(_folder, "end.log"));
        var rows = await LookAsync(log, null, null);
        foreach (var (column, value) in rows.SelectMany(r => HistoryPlan.Searched.Select(c => (c, HistoryState.Of(r).Get(c)))).Where(v => v.Item2 is not null).Distinct())
            await LookAsync(log, column, value);
    }

    private Task<List<HistoryRow>> LookAsync(HistoryLog log, string? column, string? value)
        => InsistAsync(
            async () =>
            {
                await using var db = Open(After);
                var begin = HistoryLog.Now();
                var rows = await db.Find(column, value).ToListAsync();
                log.Query(begin, rows, column: column, value: value);
                return rows;
            });

    // A history in which nothing happened proves nothing.
    private void AssertSomethingHappened()
    {
        var events = HistoryLog.ReadFolder(_folder);
        foreach (var outcome in new[] { WriteOutcome.Acknowledged, WriteOutcome.Duplicate })
            Assert.Contains(events, e => e.Kind == HistoryEventKind.End && e.Outcome == outcome && e.Op.StartsWith("writer", StringComparison.Ordinal));
        foreach (var reader in Enumerable.Range(0, size.Readers))
            Assert.True(CountLines($"reader{reader}.*") > 10);
    }

    // Logs are being appended to by others.
    private int CountLines(string pattern)
        => Directory.EnumerateFiles(_folder, pattern).Sum(
            file =>
            {
                using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
                return reader.ReadToEnd().Count(c => c == '\n');
            });

    private HistoryContext Open(HistoryStorage storage)
    {
        var builder = new DbContextOptionsBuilder<HistoryContext>();
        Configure(builder);
        return HistoryContext.Open(storage, builder.Options);
    }

    private void Configure(DbContextOptionsBuilder builder)
    {
        server.Use(builder, Connection);
        builder.UseEnvelopeEncryption(e => e.UseKms(crew.Kms).Configure(HistoryPlan.Hurry));
        builder.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
    }
}
