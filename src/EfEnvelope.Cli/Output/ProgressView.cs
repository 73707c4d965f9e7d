using EfEnvelope.Rotation;
using Spectre.Console;

namespace EfEnvelope.Cli.Output;

/// <summary>Shows on stderr where running jobs stand: bars on a terminal, else a line every few seconds and whenever there is a new reason to wait.</summary>
internal static class ProgressView
{
    public static async Task<T> RunAsync<T>(ToolConsole console, string? style, Func<IProgress<JobProgress>, Task<T>> run)
    {
        switch (style ?? "auto")
        {
            case "none":
                return await run(new Lines(console, _ => null)).ConfigureAwait(false);
            case "json":
                return await run(new JsonLines(console.Host.Error)).ConfigureAwait(false);
            case "auto" when console.Host.ErrorIsTerminal:
                return await ToolConsole.Terminal(console.Host.Error).Progress()
                    .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn())
                    .StartAsync(context => run(new Bars(context))).ConfigureAwait(false);
            case "auto" or "plain":
                return await run(new Lines(console, CliMessages.Progress)).ConfigureAwait(false);
            case var unknown:
                throw new EnvelopeConfigurationException(CliMessages.UnknownProgress(unknown));
        }
    }

    /// <summary>Refuses a style that is not known, before anything is done.</summary>
    public static void Validate(string? style)
    {
        if (style is not (null or "auto" or "plain" or "json" or "none"))
            throw new EnvelopeConfigurationException(CliMessages.UnknownProgress(style));
    }

    // A range may be the whole table, and of a table not all rows may be read: what is further along says more.
    private static double Fraction(JobInfo job)
    {
        var ranges = job.Ranges > 0 ? (double)job.RangesDone / job.Ranges : 0;
        var rows = job is { Pass: 1, EstimatedRows: > 0 } ? (double)job.RowsRead / job.EstimatedRows : 0;
        return job.HasEnded ? 1 : Math.Clamp(Math.Max(ranges, rows), 0, 1);
    }

    private sealed class Lines(ToolConsole console, Func<JobProgress, string?> say) : IProgress<JobProgress>
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

        private readonly Dictionary<long, (long At, string? WaitsFor, JobState State)> _last = [];

        public void Report(JobProgress value)
        {
            var clock = console.Host.TimeProvider;
            lock (_last)
            {
                // A brake comes and goes with every batch; it is said once.
                var known = _last.TryGetValue(value.Job.Id, out var last);
                if (known && last.WaitsFor == (value.WaitsFor ?? last.WaitsFor) && last.State == value.Job.State && clock.GetElapsedTime(last.At) < Interval)
                    return;
                _last[value.Job.Id] = (clock.GetTimestamp(), value.WaitsFor ?? last.WaitsFor, value.Job.State);
                if (say(value) is { } text)
                    console.Note(text);
            }
        }
    }

    private sealed class JsonLines(TextWriter writer) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            lock (writer)
            {
                writer.WriteLine(Json.WriteLine(new
                {
                    Job = value.Job.Id,
                    value.Job.State,
                    value.Job.Pass,
                    value.Job.Ranges,
                    value.Job.RangesDone,
                    value.Job.EstimatedRows,
                    value.Job.RowsRead,
                    value.Job.RowsWritten,
                    value.Job.RowsLost,
                    value.Job.RowsRefused,
                    RowsPerSecond = Math.Round(value.RowsPerSecond, 1),
                    RemainingSeconds = value.Remaining is { } left ? Math.Round(left.TotalSeconds, 1) : (double?)null,
                    value.WaitsFor,
                }));
            }
        }
    }

    private sealed class Bars(ProgressContext context) : IProgress<JobProgress>
    {
        private readonly Dictionary<long, ProgressTask> _tasks = [];

        public void Report(JobProgress value)
        {
            lock (_tasks)
            {
                var text = ToolConsole.Escape(CliMessages.Bar(value));
                if (!_tasks.TryGetValue(value.Job.Id, out var task))
                    _tasks[value.Job.Id] = task = context.AddTask(text, maxValue: 1);
                task.Description = text;
                task.Value = Fraction(value.Job);
            }
        }
    }
}
