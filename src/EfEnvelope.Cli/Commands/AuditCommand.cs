using System.CommandLine;
using System.Globalization;
using EfEnvelope.Cli.Output;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>audit</c>: verifies, exports and signs the audit trail of the embedded KMS. What it reads is recorded in the trail as well.</summary>
internal static class AuditCommand
{
    public static Command Create(Wiring wiring)
        => new("audit", CliMessages.AuditCommand()) { Verify(wiring), Export(wiring), Checkpoint(wiring), PublicKey(wiring) };

    private static Command Verify(Wiring wiring)
    {
        var checkpoint = new Option<string?>("--checkpoint") { Description = CliMessages.CheckpointOption() };
        var file = new Option<string?>("--file") { Description = CliMessages.AuditFileOption() };
        var publicKey = new Option<string?>("--public-key") { Description = CliMessages.PublicKeyOption() };
        return wiring.On(new Command("verify", CliMessages.AuditVerifyCommand()) { checkpoint, file, publicKey }, async call =>
        {
            var expected = call.Get(checkpoint) is { } path ? Files.ReadText(call, path).Trim() : null;
            RequireCheckpoint(expected, call.Get(checkpoint));
            if (call.Get(file) is null != call.Get(publicKey) is null)
                throw new EnvelopeConfigurationException(CliMessages.AuditFileNeedsKey());
            if (call.Get(file) is { } exported)
            {
                var pem = Files.ReadText(call, call.Get(publicKey)!);
                using var verifier = ExportedTrail.Open(pem, call.Get(publicKey)!);
                using var reader = new StreamReader(Files.OpenRead(Files.Full(call, exported)));
                return Conclude(call, await verifier.VerifyAsync(reader, expected, call.Cancellation).ConfigureAwait(false));
            }

            var opened = call.Configuration.OpenKms(mayBeMade: false);
            await using (opened.ConfigureAwait(false))
            {
                return Conclude(
                    call,
                    await opened.Kms.Audit.VerifyAsync(expected is null ? null : LocalKmsAuditCheckpoint.Parse(expected), call.Cancellation).ConfigureAwait(false));
            }
        });
    }

    private static Command Export(Wiring wiring)
    {
        var from = new Option<string?>("--from") { Description = CliMessages.FromOption() };
        var to = new Option<string?>("--to") { Description = CliMessages.ToOption() };
        return KmsCommand.On(wiring, new Command("export", CliMessages.AuditExportCommand()) { from, to }, async (call, kms) =>
        {
            var first = call.Get(from) is { } text ? Numbers.Parse("--from", text, 1, int.MaxValue) : 1;
            long? last = call.Get(to) is { } end ? Numbers.Parse("--to", end, first, int.MaxValue) : null;
            await kms.Audit.ExportAsync(call.Host.Out, first, last, call.Cancellation).ConfigureAwait(false);
            return ExitCodes.Ok;
        });
    }

    private static Command Checkpoint(Wiring wiring)
        => KmsCommand.On(wiring, new Command("checkpoint", CliMessages.AuditCheckpointCommand()), async (call, kms) =>
        {
            if (await kms.Audit.CheckpointAsync(call.Cancellation).ConfigureAwait(false) is { } checkpoint)
                await call.Host.Out.WriteLineAsync(checkpoint.ToString()).ConfigureAwait(false);
            else
                call.Console.Note(CliMessages.NoCheckpointYet());
            return ExitCodes.Ok;
        });

    private static Command PublicKey(Wiring wiring)
        => KmsCommand.On(wiring, new Command("public-key", CliMessages.AuditPublicKeyCommand()), async (call, kms) =>
        {
            var pem = await kms.Audit.GetPublicKeyAsync(call.Cancellation).ConfigureAwait(false);
            if (call.Console.IsJson)
                call.Console.WriteJson(new { PublicKey = pem });
            else
                await call.Host.Out.WriteLineAsync(pem).ConfigureAwait(false);
            return ExitCodes.Ok;
        });

    private static void RequireCheckpoint(string? text, string? path)
    {
        try
        {
            _ = text is null ? null : LocalKmsAuditCheckpoint.Parse(text);
        }
        catch (FormatException)
        {
            throw new EnvelopeConfigurationException(CliMessages.MalformedCheckpoint(path!));
        }
    }

    private static int Conclude(Call call, LocalKmsAuditReport report)
    {
        if (call.Console.IsJson)
        {
            call.Console.WriteJson(report);
        }
        else
        {
            call.Console.Facts(
            [
                ("whole", Views.YesNo(report.IsIntact)), ("events", Views.Count(report.Events)), ("checkpoints", Views.Count(report.Checkpoints)),
                .. report.FirstBadSequence is { } bad ? [("first bad event", bad.ToString(CultureInfo.InvariantCulture))] : Array.Empty<(string, string)>(),
                .. report.Fault is { } fault ? [("fault", fault)] : Array.Empty<(string, string)>(),
            ]);
        }

        call.Console.Note(report.IsIntact ? CliMessages.TrailIntact() : CliMessages.TrailAltered());
        return report.IsIntact ? ExitCodes.Ok : ExitCodes.Findings;
    }
}
