using System.CommandLine;
using EfEnvelope.Cli.Output;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary>How jobs are run from here, and what their end comes to.</summary>
internal sealed class RunSettings
{
    private readonly Option<string?> _workers = new("--workers") { Description = CliMessages.WorkersOption() };
    private readonly Option<bool> _noWait = new("--no-wait") { Description = CliMessages.NoWaitOption() };

    public void AddTo(Command command)
    {
        command.Add(_workers);
        command.Add(_noWait);
    }

    public RunOptions Read(Call call)
        => new()
        {
            Workers = call.Get(_workers) is { } text ? Numbers.Parse("--workers", text, 1, 64) : 1,
            WaitsForTime = !call.Get(_noWait),
        };

    /// <summary>Runs jobs; Ctrl+C lets them finish their batch.</summary>
    public static async Task<(IReadOnlyList<JobInfo> Jobs, bool Stopped)> RunAsync(Call call, EncryptedDatabase database, IReadOnlyList<long> ids, RunOptions options)
    {
        try
        {
            var jobs = await ProgressView.RunAsync(
                call.Console, call.ProgressStyle, progress => database.Jobs.RunAsync(ids, options, progress, call.Cancellation)).ConfigureAwait(false);
            return (jobs, call.Cancellation.IsCancellationRequested && jobs.Any(j => !j.HasEnded));
        }
        catch (OperationCanceledException) when (call.Cancellation.IsCancellationRequested)
        {
            var jobs = new List<JobInfo>();
            foreach (var id in ids)
                jobs.Add(await database.Jobs.GetAsync(id, CancellationToken.None).ConfigureAwait(false));
            return (jobs, true);
        }
        catch (Exception)
        {
            call.Console.Note(CliMessages.GoOn(ids));
            throw;
        }
    }

    /// <summary>Says how jobs ended, and what that comes to.</summary>
    public static int Conclude(Call call, IReadOnlyList<JobInfo> jobs, bool stopped)
    {
        foreach (var job in jobs)
        {
            call.Console.Note(CliMessages.JobEnded(job));
            if (job.RowsRefused > 0)
                call.Console.Note(CliMessages.RowsRefused(job));
        }

        if (stopped)
        {
            call.Console.Note(CliMessages.GoOn([.. jobs.Where(j => !j.HasEnded).Select(j => j.Id)]));
            return ExitCodes.Cancelled;
        }

        if (jobs.Any(j => j.State is JobState.Failed or JobState.Cancelled || (j.State == JobState.Completed && j.RowsRefused > 0)))
            return ExitCodes.Findings;
        if (jobs.All(j => j.HasEnded))
            return ExitCodes.Ok;
        call.Console.Note(CliMessages.GoOn([.. jobs.Where(j => !j.HasEnded).Select(j => j.Id)]));
        return ExitCodes.Refused;
    }
}
