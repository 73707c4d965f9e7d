using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>verify</c>: opens every value and computes every blind index anew.</summary>
internal static class VerifyCommand
{
    public static Command Create(Wiring wiring)
    {
        var scope = new Argument<string?>("scope") { Description = CliMessages.ScopeArgument(), Arity = ArgumentArity.ZeroOrOne };
        var table = new Option<string?>("--table") { Description = CliMessages.TableOption() };
        return wiring.On(new Command("verify", CliMessages.VerifyCommand()) { scope, table }, call => RunAsync(call, scope, table));
    }

    private static async Task<int> RunAsync(Call call, Argument<string?> scopeArgument, Option<string?> tableOption)
    {
        var scope = call.ScopeOf(scopeArgument);
        var table = call.Get(tableOption) is { } text ? Names.ParseTable(text) : default((string Schema, string Table)?);
        call.Configuration.Provider.RequireSchema(table?.Schema ?? "");
        var database = call.Open(KmsNeed.Required);
        await using (database.ConfigureAwait(false))
        {
            var report = await database.Scans.VerifyAsync(
                scope,
                table is var (schema, name) ? schema.Length == 0 ? name : $"{schema}.{name}" : null,
                call.ProgressStyle == "none" ? null : new RowCounter(call.Console),
                call.Cancellation).ConfigureAwait(false);
            if (call.Console.IsJson)
            {
                call.Console.WriteJson(report);
            }
            else
            {
                call.Console.Facts(
                [
                    ("rows", Views.Count(report.Rows)), ("values opened", Views.Count(report.Opened)), ("blind indexes checked", Views.Count(report.IndexesChecked)),
                    ("failures", Views.Count(report.Failures)), ("clean", Views.YesNo(report.IsClean)),
                ]);
                if (report.Findings.Count > 0)
                    call.Console.Show(report.Findings);
            }

            if (report.IsClean)
                return ExitCodes.Ok;
            call.Console.Note(CliMessages.VerifyFailed(report.Failures));
            return ExitCodes.Findings;
        }
    }

    private sealed class RowCounter(ToolConsole console) : IProgress<long>
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

        private readonly Lock _lock = new();
        private long _last = console.Host.TimeProvider.GetTimestamp();

        public void Report(long value)
        {
            lock (_lock)
            {
                if (console.Host.TimeProvider.GetElapsedTime(_last) < Interval)
                    return;
                _last = console.Host.TimeProvider.GetTimestamp();
                console.Note(CliMessages.RowsRead(Views.Count(value)));
            }
        }
    }
}
