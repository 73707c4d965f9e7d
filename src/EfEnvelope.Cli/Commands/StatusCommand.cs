using System.CommandLine;
using System.Globalization;
using EfEnvelope.Cli.Output;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>status</c>: keys, what every column holds, and jobs that have not ended.</summary>
internal static class StatusCommand
{
    public static Command Create(Wiring wiring) => wiring.On(new Command("status", CliMessages.StatusCommand()), RunAsync);

    private static async Task<int> RunAsync(Call call)
    {
        var database = call.Open();
        await using (database.ConfigureAwait(false))
        {
            IReadOnlyList<KeyScope> scopes = call.Configuration.Scope is { } named
                ? [await database.Keys.ResolveScopeAsync(named, call.Cancellation).ConfigureAwait(false)]
                : await database.Keys.GetScopesAsync(call.Cancellation).ConfigureAwait(false);
            var versions = new List<KeyVersionInfo>();
            foreach (var scope in scopes)
                versions.AddRange(await database.Keys.ListAsync(scope, call.Cancellation).ConfigureAwait(false));
            var columns = await database.Scans.GetStatusAsync(call.Cancellation).ConfigureAwait(false);
            var jobs = await database.Jobs.ListAsync(includeEnded: false, call.Cancellation).ConfigureAwait(false);
            if (call.Console.IsJson)
                call.Console.WriteJson(new { Provider = call.Configuration.Provider.Name, Keys = versions, Columns = columns, Jobs = jobs });
            else
                Show(call.Console, versions, columns, jobs);
            return ExitCodes.Ok;
        }
    }

    private static void Show(ToolConsole console, List<KeyVersionInfo> versions, IReadOnlyList<ColumnStatus> columns, IReadOnlyList<JobInfo> jobs)
    {
        if (versions.Count > 0)
            console.Show(versions);
        else
            console.Note(CliMessages.NoKeys());
        if (columns.Count > 0)
        {
            console.Table(
                ["column", "kind", "mode", "type", "null", "not an envelope", "by key version"],
                columns.Select(c => (IReadOnlyList<string>)
                [
                    c.Column.Name, KindName(c.Column), c.Column.Kind == MapColumnKind.Value ? Views.StateName(c.Column.Mode) : "-", c.Column.PlaintextType,
                    Views.Count(c.Nulls), Views.Count(c.Foreign),
                    string.Join(", ", c.ByKeyNumber.OrderBy(p => p.Key).Select(p => string.Create(CultureInfo.InvariantCulture, $"v{p.Key}: {p.Value}"))),
                ]));
        }
        else
        {
            console.Note(CliMessages.NoColumns());
        }

        if (jobs.Count > 0)
            console.Show(jobs);
    }

    private static string KindName(MapColumn column) => column.Kind == MapColumnKind.Value ? "value" : "blind index";
}
