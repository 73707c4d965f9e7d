using System.CommandLine;
using System.Globalization;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>status</c>: keys and their wrapped copies, what every column holds, and jobs that have not ended.</summary>
internal static class StatusCommand
{
    public static Command Create(Wiring wiring) => wiring.On(new Command("status", CliMessages.StatusCommand()), RunAsync);

    private static async Task<int> RunAsync(Call call)
    {
        var database = call.Open(KmsNeed.IfUsable);
        await using (database.ConfigureAwait(false))
        {
            IReadOnlyList<KeyScope> scopes = call.Configuration.Scope is { } named
                ? [await database.Keys.ResolveScopeAsync(named, call.Cancellation).ConfigureAwait(false)]
                : await database.Keys.GetScopesAsync(call.Cancellation).ConfigureAwait(false);
            var versions = new List<KeyVersionInfo>();
            foreach (var scope in scopes)
                versions.AddRange(await database.Keys.ListAsync(scope, call.Cancellation).ConfigureAwait(false));
            var copies = await CopiesAsync(call, database).ConfigureAwait(false);
            var columns = await database.Scans.GetStatusAsync(call.Cancellation).ConfigureAwait(false);
            var jobs = await database.Jobs.ListAsync(includeEnded: false, call.Cancellation).ConfigureAwait(false);
            if (call.Console.IsJson)
                call.Console.WriteJson(new { Provider = call.Configuration.Provider.Name, Keys = versions, Copies = copies, Columns = columns, Jobs = jobs });
            else
                Show(call.Console, versions, copies, columns, jobs);
            SayCopies(call, copies);
            return ExitCodes.Ok;
        }
    }

    // Without a KMS no copy is judged: what stands in for it is nobody's KEK.
    private static async Task<IReadOnlyList<KekCopyInfo>> CopiesAsync(Call call, EncryptedDatabase database)
    {
        var copies = await database.Keys.ListCopiesAsync(IsAsked(call), call.Cancellation).ConfigureAwait(false);
        return IsAsked(call) ? copies : [.. copies.Where(c => c.State != KekCopyState.Missing).Select(c => c with { State = KekCopyState.Unknown })];
    }

    private static bool IsAsked(Call call) => call.Configuration is { HasKms: true, KmsFault: null };

    private static void SayCopies(Call call, IReadOnlyList<KekCopyInfo> copies)
    {
        if (call.Configuration.KmsFault is { } fault)
            call.Console.Note(CliMessages.KmsNotUsable(fault));
        else if (!call.Configuration.HasKms)
            call.Console.Note(CliMessages.KmsNotAsked());
        else if (copies.Count(c => c.IsStale) is > 0 and var stale)
            call.Console.Note(CliMessages.StaleCopies(stale));
    }

    private static void Show(ToolConsole console, List<KeyVersionInfo> versions, IReadOnlyList<KekCopyInfo> copies, IReadOnlyList<ColumnStatus> columns, IReadOnlyList<JobInfo> jobs)
    {
        if (versions.Count > 0)
            console.Show(versions);
        else
            console.Note(CliMessages.NoKeys());
        if (copies.Count > 0)
        {
            console.Table(
                ["key", "kek", "kek version", "state", "stale", "detail"],
                copies.Select(c => (IReadOnlyList<string>)[c.Key, c.Kek, c.KekVersion ?? "-", Views.Words(c.State), Views.YesNo(c.IsStale), c.Detail ?? ""]));
        }

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
