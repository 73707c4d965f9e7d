using System.CommandLine;
using System.Globalization;
using EfEnvelope.Cli.Output;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>inspect</c>: explains one envelope. It needs neither a key nor a database.</summary>
internal static class InspectCommand
{
    public static Command Create(Wiring wiring)
    {
        var value = new Argument<string>("value") { Description = CliMessages.ValueArgument() };
        return wiring.On(new Command("inspect", CliMessages.InspectCommand()) { value }, call => RunAsync(call, call.Get(value)!));
    }

    private static async Task<int> RunAsync(Call call, string value)
    {
        if (value == "-")
            value = await call.Host.In.ReadToEndAsync(call.Cancellation).ConfigureAwait(false);
        var description = EnvelopeScans.Inspect(value.Trim());
        if (call.Console.IsJson)
        {
            call.Console.WriteJson(description);
        }
        else
        {
            call.Console.Facts(
            [
                ("envelope", Views.YesNo(description.IsEnvelope)),
                .. Optional("fault", description.Fault),
                .. Optional("stored as", description.IsEnvelope ? description.IsText ? "text" : "bytes" : null),
                .. Optional("algorithm", description.Algorithm),
                .. Optional("key version", description.KeyNumber is { } number ? string.Create(CultureInfo.InvariantCulture, $"v{number}") : null),
                ("bytes", description.Length.ToString(CultureInfo.InvariantCulture)),
                .. Optional("plaintext bytes", description.PlaintextLength?.ToString(CultureInfo.InvariantCulture)),
            ]);
            if (description.Parts.Count > 0)
            {
                call.Console.Table(
                    ["part", "offset", "length", "bytes"],
                    description.Parts.Select(p => (IReadOnlyList<string>)
                        [p.Name, p.Offset.ToString(CultureInfo.InvariantCulture), p.Length.ToString(CultureInfo.InvariantCulture), p.Hex ?? ""]));
            }
        }

        return description.IsEnvelope ? ExitCodes.Ok : ExitCodes.Findings;
    }

    private static IEnumerable<(string Name, string Value)> Optional(string name, string? value) => value is null ? [] : [(name, value)];
}
