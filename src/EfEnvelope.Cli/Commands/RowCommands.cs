using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary>What changes rows: re-encrypt, reindex, backfill, decrypt. Each shows its plan, and acts on <c>--execute</c>.</summary>
internal static class RowCommands
{
    public static Command Reencrypt(Wiring wiring) => OfMap(wiring, "reencrypt", CliMessages.ReencryptCommand(), JobKind.Reencrypt);

    public static Command Reindex(Wiring wiring) => OfMap(wiring, "reindex", CliMessages.ReindexCommand(), JobKind.Reindex);

    public static Command Backfill(Wiring wiring) => OfColumns(wiring, "backfill", CliMessages.BackfillCommand(), JobKind.Backfill);

    public static Command Decrypt(Wiring wiring) => OfColumns(wiring, "decrypt", CliMessages.DecryptCommand(), JobKind.Decrypt);

    // A whole scope, or one table of it.
    private static Command OfMap(Wiring wiring, string name, string description, JobKind kind)
    {
        var scope = new Argument<string?>("scope") { Description = CliMessages.ScopeArgument(), Arity = ArgumentArity.ZeroOrOne };
        var table = new Option<string?>("--table") { Description = CliMessages.TableOption() };
        var columns = new Option<string[]>("--column") { Description = CliMessages.ColumnOption() };
        var request = new RequestOptions();
        var command = new Command(name, description) { scope, table, columns };
        request.AddTo(command, withType: false);
        return wiring.On(command, async call =>
        {
            var asked = request.Read(call, kind) with { Scope = call.ScopeOf(scope), Columns = [.. (call.Get(columns) ?? []).Select(Names.ParseName)] };
            if (call.Get(table) is { } text)
            {
                var (schema, tableName) = Names.ParseTable(text);
                asked = asked with { Schema = schema, Table = tableName };
            }
            else if (asked.Columns.Count > 0 || asked.Into is not null || asked.Context is not null || asked.Mode is not null)
            {
                throw new EnvelopeConfigurationException(CliMessages.TableMissing());
            }

            RequestOptions.RequireOneColumn(asked);
            return await RunAsync(call, request, asked).ConfigureAwait(false);
        });
    }

    // Columns of one table, each named with it.
    private static Command OfColumns(Wiring wiring, string name, string description, JobKind kind)
    {
        var columns = new Argument<string[]>("column") { Description = CliMessages.ColumnArgument(), Arity = ArgumentArity.OneOrMore };
        var request = new RequestOptions();
        var command = new Command(name, description) { columns };
        request.AddTo(command, withType: kind == JobKind.Backfill);
        return wiring.On(command, async call =>
        {
            var parsed = call.Get(columns)!.Select(Names.ParseColumn).ToList();
            if (parsed.Select(c => (c.Schema, c.Table)).Distinct().Count() > 1)
                throw new EnvelopeConfigurationException(CliMessages.TwoTables());
            var asked = request.Read(call, kind) with
            {
                Scope = call.Configuration.Scope is { } scope ? Names.ParseScope(scope).Name : null,
                Schema = parsed[0].Schema,
                Table = parsed[0].Table,
                Columns = [.. parsed.Select(c => c.Column)],
            };
            RequestOptions.RequireOneColumn(asked);
            return await RunAsync(call, request, asked).ConfigureAwait(false);
        });
    }

    private static async Task<int> RunAsync(Call call, RequestOptions options, JobRequest request)
    {
        var run = options.Run.Read(call);
        call.Configuration.Provider.RequireSchema(request.Schema);

        // A plan, and a job that is only stored, need no key.
        var runs = options.IsExecuting(call) && !options.IsEnqueuingOnly(call);
        var database = call.Open(runs ? KmsNeed.Required : KmsNeed.None);
        await using (database.ConfigureAwait(false))
        {
            var plans = request.Table.Length > 0
                ? [await database.Jobs.PlanAsync(request, call.Cancellation).ConfigureAwait(false)]
                : await database.Jobs.PlanAllAsync(request, call.Cancellation).ConfigureAwait(false);
            if (!call.Console.IsJson)
            {
                foreach (var plan in plans)
                    call.Console.Show(plan);
            }

            var execute = options.IsExecuting(call);
            if (!execute || plans.Count == 0)
            {
                if (call.Console.IsJson)
                    call.Console.WriteJson(new { Executed = execute, Plans = plans, Jobs = Array.Empty<JobInfo>() });
                if (plans.Count > 0)
                    return call.Planned();
                call.Console.Note(CliMessages.NothingToDo());
                return ExitCodes.Ok;
            }

            var jobs = await EnqueueAsync(call, database, plans).ConfigureAwait(false);
            var stopped = false;
            var ids = jobs.Select(j => j.Id).ToList();
            if (!options.IsEnqueuingOnly(call))
                (jobs, stopped) = await RunSettings.RunAsync(call, database, ids, run).ConfigureAwait(false);
            if (call.Console.IsJson)
                call.Console.WriteJson(new { Executed = true, Plans = plans, Jobs = jobs });
            else
                call.Console.Show(jobs);
            if (!options.IsEnqueuingOnly(call))
                return RunSettings.Conclude(call, jobs, stopped);
            call.Console.Note(CliMessages.Enqueued(ids));
            return ExitCodes.Ok;
        }
    }

    private static async Task<IReadOnlyList<JobInfo>> EnqueueAsync(Call call, EncryptedDatabase database, IReadOnlyList<JobPlan> plans)
    {
        var jobs = new List<JobInfo>();
        try
        {
            foreach (var plan in plans)
                jobs.Add(await database.Jobs.EnqueueAsync(plan, call.Cancellation).ConfigureAwait(false));
        }
        catch (Exception) when (jobs.Count > 0)
        {
            call.Console.Note(CliMessages.StoredBefore([.. jobs.Select(j => j.Id)]));
            throw;
        }

        return jobs;
    }
}
