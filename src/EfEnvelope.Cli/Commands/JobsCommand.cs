using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>jobs</c>: lists, shows, steers and runs jobs that are stored already. Steering changes no row, and acts at once.</summary>
internal static class JobsCommand
{
    public static Command Create(Wiring wiring)
        => new("jobs", CliMessages.JobsCommand())
        {
            List(wiring), Show(wiring), Run(wiring),
            Steer(wiring, "pause", CliMessages.JobsPauseCommand(), async (jobs, id, cancellation) => await jobs.PauseAsync(id, cancellation).ConfigureAwait(false), CliMessages.Paused),
            Steer(wiring, "resume", CliMessages.JobsResumeCommand(), async (jobs, id, cancellation) => await jobs.ResumeAsync(id, cancellation).ConfigureAwait(false), CliMessages.Resumed),
            Steer(wiring, "cancel", CliMessages.JobsCancelCommand(), (jobs, id, cancellation) => jobs.CancelAsync(id, cancellation), CliMessages.JobCancelled),
            Throttle(wiring),
        };

    private static Argument<string> JobArgument() => new("job") { Description = CliMessages.JobArgument() };

    private static Command List(Wiring wiring)
    {
        var active = new Option<bool>("--active") { Description = CliMessages.ActiveOption() };
        return wiring.On(new Command("list", CliMessages.JobsListCommand()) { active }, async call =>
        {
            var database = call.Open();
            await using (database.ConfigureAwait(false))
            {
                var jobs = await database.Jobs.ListAsync(!call.Get(active), call.Cancellation).ConfigureAwait(false);
                var malformed = await MalformedAsync(call, database).ConfigureAwait(false);
                if (call.Console.IsJson)
                    call.Console.WriteJson(new { Jobs = jobs, Malformed = malformed });
                else if (jobs.Count > 0)
                    call.Console.Show(jobs);
                else
                    call.Console.Note(CliMessages.NoJobs());
                return call.Report(malformed);
            }
        });
    }

    private static async Task<IReadOnlyList<MalformedRow>> MalformedAsync(Call call, EncryptedDatabase database)
        => [.. (await database.Scans.FindMalformedRowsAsync(call.Cancellation).ConfigureAwait(false)).Where(r => r.Table == "__EnvelopeJobs")];

    private static Command Show(Wiring wiring)
    {
        var job = JobArgument();
        var count = new Option<string?>("--findings") { Description = CliMessages.FindingsOption() };
        return wiring.On(new Command("show", CliMessages.JobsShowCommand()) { job, count }, async call =>
        {
            var id = Numbers.ParseJob(call.Get(job)!);
            var limit = call.Get(count) is { } text ? Numbers.Parse("--findings", text, 0, 100_000) : 100;
            var database = call.Open();
            await using (database.ConfigureAwait(false))
            {
                var info = await database.Jobs.GetAsync(id, call.Cancellation).ConfigureAwait(false);
                var findings = limit == 0 ? [] : await database.Jobs.GetFindingsAsync(id, limit, call.Cancellation).ConfigureAwait(false);
                if (call.Console.IsJson)
                {
                    call.Console.WriteJson(new { Job = info, Findings = findings });
                    return ExitCodes.Ok;
                }

                call.Console.Show(info);
                if (findings.Count > 0)
                    call.Console.Table(["key", "column", "reason"], findings.Select(f => (IReadOnlyList<string>)[f.Key, f.Column, f.Reason]));
                return ExitCodes.Ok;
            }
        });
    }

    private static Command Run(Wiring wiring)
    {
        var jobs = new Argument<string[]>("job") { Description = CliMessages.JobsArgument(), Arity = ArgumentArity.ZeroOrMore };
        var settings = new RunSettings();
        var command = new Command("run", CliMessages.JobsRunCommand()) { jobs };
        settings.AddTo(command);
        return wiring.On(command, async call =>
        {
            var ids = call.Get(jobs)!.Select(Numbers.ParseJob).Distinct().ToList();
            var options = settings.Read(call);
            var database = call.Open(KmsNeed.Required);
            await using (database.ConfigureAwait(false))
            {
                if (ids.Count == 0)
                {
                    // What stores plaintext is run by its number only: anybody who may write the job tables can have stored it.
                    var stored = await database.Jobs.ListAsync(includeEnded: false, call.Cancellation).ConfigureAwait(false);
                    ids.AddRange(stored.Where(j => !j.Request.IsSensitive).Select(j => j.Id));
                    foreach (var job in stored.Where(j => j.Request.IsSensitive))
                        call.Console.Note(CliMessages.SensitiveLeft(job.Id, job.Request.Kind));
                    call.Report(await MalformedAsync(call, database).ConfigureAwait(false));
                }

                foreach (var id in ids)
                    await database.Jobs.GetAsync(id, call.Cancellation).ConfigureAwait(false);
                var (ended, stopped) = ids.Count > 0 ? await RunSettings.RunAsync(call, database, ids, options).ConfigureAwait(false) : ([], false);
                if (call.Console.IsJson)
                    call.Console.WriteJson(new { Jobs = ended });
                else if (ended.Count > 0)
                    call.Console.Show(ended);
                else
                    call.Console.Note(CliMessages.NothingToDo());
                return RunSettings.Conclude(call, ended, stopped);
            }
        });
    }

    private static Command Steer(
        Wiring wiring, string name, string description, Func<JobEngine, long, CancellationToken, Task<JobInfo?>> act, Func<JobInfo, string> say)
    {
        var job = JobArgument();
        return wiring.On(new Command(name, description) { job }, async call =>
        {
            var id = Numbers.ParseJob(call.Get(job)!);
            var database = call.Open();
            await using (database.ConfigureAwait(false))
            {
                if (await act(database.Jobs, id, call.Cancellation).ConfigureAwait(false) is { } info)
                    return Steered(call, info, say);
                if (call.Console.IsJson)
                    call.Console.WriteJson(new { Job = (JobInfo?)null });
                call.Console.Note(CliMessages.JobRemoved(id));
                return ExitCodes.Ok;
            }
        });
    }

    private static Command Throttle(Wiring wiring)
    {
        var job = JobArgument();
        var options = new ThrottleOptions();
        var command = new Command("throttle", CliMessages.JobsThrottleCommand()) { job };
        options.AddTo(command);
        return wiring.On(command, async call =>
        {
            var id = Numbers.ParseJob(call.Get(job)!);
            if (!options.IsGiven(call))
                throw new EnvelopeConfigurationException(CliMessages.ThrottleMissing());
            options.Read(call, new Throttle());
            var database = call.Open();
            await using (database.ConfigureAwait(false))
            {
                var before = await database.Jobs.GetAsync(id, call.Cancellation).ConfigureAwait(false);
                var job = await database.Jobs.ThrottleAsync(id, options.Read(call, before.Throttle), call.Cancellation).ConfigureAwait(false);
                return Steered(call, job, CliMessages.Throttled);
            }
        });
    }

    private static int Steered(Call call, JobInfo job, Func<JobInfo, string> say)
    {
        if (call.Console.IsJson)
            call.Console.WriteJson(new { Job = job });
        else
            call.Console.Show(job);
        call.Console.Note(say(job));
        return ExitCodes.Ok;
    }
}
