using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>kms seals</c>: what opens the embedded KMS. A seal is changed by adding the new one, restarting with it, and removing the old one.</summary>
internal static class KmsSealsCommand
{
    public static Command Create(Wiring wiring) => new("seals", CliMessages.KmsSealsCommand()) { List(wiring), Add(wiring), Remove(wiring) };

    private static Command List(Wiring wiring)
        => KmsCommand.On(wiring, new Command("list", CliMessages.KmsSealsListCommand()), async (call, kms) => KmsCommand.List(
            call, "seals", await kms.ListSealsAsync(call.Cancellation).ConfigureAwait(false), ["seal", "kind", "created"], s => [s.SealId, s.Kind, Views.Time(s.Created)]));

    private static Command Add(Wiring wiring)
    {
        var keyFile = new Option<string?>("--key-file") { Description = CliMessages.SealKeyFileOption() };
        var passphraseFile = new Option<string?>("--passphrase-file") { Description = CliMessages.PassphraseFileOption() };
        return KmsCommand.Changing(
            wiring,
            new Command("add", CliMessages.KmsSealsAddCommand()) { keyFile, passphraseFile },
            (call, _) => KmsCommand.Action(CliMessages.SealAdds(Seal(call).Kind)),
            async (call, kms) => new { Seal = await kms.AddSealAsync(Seal(call).Seal, call.Cancellation).ConfigureAwait(false) },
            (call, done) =>
            {
                if (!call.Console.IsJson)
                    call.Console.Facts([("seal", done.Seal.SealId)]);
                return CliMessages.KmsDone();
            });

        (LocalKmsSeal Seal, string Kind) Seal(Call call)
        {
            switch (call.Get(keyFile), call.Get(passphraseFile))
            {
                case ({ } key, null):
                    var path = Files.Full(call, key);
                    return (LocalKmsAdapter.ByKeyFile(path), path);
                case (null, { } file):
                    var source = Files.Full(call, file);
                    return (LocalKmsAdapter.ByPassphrase(KmsSettings.ReadFirstLine(source), source), source);
                default:
                    throw new EnvelopeConfigurationException(CliMessages.SealMissing());
            }
        }
    }

    private static Command Remove(Wiring wiring)
    {
        var seal = new Argument<string>("seal") { Description = CliMessages.SealArgument() };
        return KmsCommand.Changing(
            wiring,
            new Command("remove", CliMessages.KmsSealsRemoveCommand()) { seal },
            (call, _) => KmsCommand.Action(CliMessages.SealRemoves(call.Get(seal)!)),
            async (call, kms) =>
            {
                await kms.RemoveSealAsync(call.Get(seal)!, call.Cancellation).ConfigureAwait(false);
                return new { Seal = call.Get(seal)! };
            },
            (_, _) => CliMessages.KmsDone());
    }
}
