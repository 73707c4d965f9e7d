using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>doctor</c>: finds what is wrong or will become so.</summary>
internal static class DoctorCommand
{
    public static Command Create(Wiring wiring)
    {
        var suggest = new Option<bool>("--suggest") { Description = CliMessages.SuggestOption() };
        return wiring.On(new Command("doctor", CliMessages.DoctorCommand()) { suggest }, call => RunAsync(call, suggest));
    }

    private static async Task<int> RunAsync(Call call, Option<bool> suggest)
    {
        var database = call.Open(KmsNeed.IfConfigured);
        await using (database.ConfigureAwait(false))
        {
            var found = await database.Scans.DiagnoseAsync(call.Cancellation).ConfigureAwait(false);
            if (call.Get(suggest))
                found = [.. found, .. await database.Scans.SuggestAsync(call.Cancellation).ConfigureAwait(false)];
            var errors = found.Count(d => d.Severity == DiagnosisSeverity.Error);
            if (call.Console.IsJson)
            {
                call.Console.WriteJson(new { Healthy = errors == 0, Findings = found });
            }
            else if (found.Count > 0)
            {
                call.Console.Table(
                    ["severity", "code", "subject", "message", "hint"],
                    found.Select(d => (IReadOnlyList<string>)[Views.StateName(d.Severity), d.Code, d.Subject, d.Message, d.Hint]));
            }

            call.Console.Note(CliMessages.DoctorFound(found.Count, errors));
            return errors == 0 ? ExitCodes.Ok : ExitCodes.Findings;
        }
    }
}
