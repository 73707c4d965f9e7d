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
        var database = call.Open();
        await using (database.ConfigureAwait(false))
        {
            var malformed = await database.Scans.FindMalformedRowsAsync(call.Cancellation).ConfigureAwait(false);
            var versions = await VersionsAsync(call, database, malformed).ConfigureAwait(false);
            var copies = CopiesOf(call, await database.Keys.ListCopiesAsync(askKms: false, call.Cancellation).ConfigureAwait(false));
            var columns = await database.Scans.GetStatusAsync(call.Cancellation).ConfigureAwait(false);
            var jobs = await database.Jobs.ListAsync(includeEnded: false, call.Cancellation).ConfigureAwait(false);
            if (call.Console.IsJson)
                call.Console.WriteJson(new { Provider = call.Configuration.Provider.Name, Keys = versions, Copies = copies, Columns = columns, Jobs = jobs, Malformed = malformed });
            else
                Show(call.Console, versions, copies, columns, jobs);
            if (!call.Configuration.HasKms)
                call.Console.Note(CliMessages.KmsNotConfigured());
            else if (copies.Where(c => c.State == KekCopyState.NotConfigured).ToList() is { Count: > 0 } others)
            {
                var configured = copies.Where(c => c.State != KekCopyState.NotConfigured).Select(c => c.Kek).Distinct();
                call.Console.Note(CliMessages.CopiesUnderOtherKeks(others.Count, others.Select(c => c.Kek).Distinct(), configured));
            }
            else if (copies.Count(c => c.IsStale) is > 0 and var stale)
                call.Console.Note(CliMessages.StaleCopies(stale));
            return call.Report(malformed);
        }
    }

    // A scope with a row that cannot be read is left out, and that row is reported.
    private static async Task<List<KeyVersionInfo>> VersionsAsync(Call call, EncryptedDatabase database, IReadOnlyList<MalformedRow> malformed)
    {
        IReadOnlyList<KeyScope> scopes = call.Configuration.Scope is { } named
            ? [await database.Keys.ResolveScopeAsync(named, call.Cancellation).ConfigureAwait(false)]
            : await database.Keys.GetScopesAsync(call.Cancellation).ConfigureAwait(false);
        var versions = new List<KeyVersionInfo>();
        foreach (var scope in scopes)
        {
            try
            {
                versions.AddRange(await database.Keys.ListAsync(scope, call.Cancellation).ConfigureAwait(false));
            }
            catch (EnvelopeDecryptionException) when (malformed.Count > 0)
            {
                continue;
            }
        }

        return versions;
    }

    // By the names of the configured KEKs: no KMS is asked, and none is even opened. Which copies are under a former version of a KEK, its KMS alone can tell.
    private static IReadOnlyList<KekCopyInfo> CopiesOf(Call call, IReadOnlyList<KekCopyInfo> copies)
    {
        List<KekCopyInfo> stored = [.. copies.Where(c => c.State != KekCopyState.Missing).Select(c => c with { State = KekCopyState.Unknown })];
        if (!call.Configuration.HasKms || call.Configuration.KekNames is not { } names)
            return stored;
        return
        [
            .. stored.GroupBy(c => c.Key).SelectMany(
                key => key.Select(c => names.Any(n => n.Is(c.Kek)) ? c : c with { State = KekCopyState.NotConfigured })
                    .Concat(names.Where(n => n.Kek is not null && !key.Any(c => n.Is(c.Kek))).Select(n => new KekCopyInfo(key.Key, n.Kek!, null, KekCopyState.Missing, null)))),
        ];
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
