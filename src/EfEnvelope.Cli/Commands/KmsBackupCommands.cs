using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>kms backup</c> and <c>kms restore</c>. A backup is encrypted under a passphrase of its own.</summary>
internal static class KmsBackupCommands
{
    /// <summary>The setting of the backup's passphrase: <c>EFENVELOPE_KMS_BACKUP_PASSPHRASE</c>.</summary>
    private const string Passphrase = "backupPassphrase";

    // It changes nothing in the KMS, and writes nothing over.
    public static Command Backup(Wiring wiring)
    {
        var (file, passphraseFile) = Parameters();
        return KmsCommand.On(wiring, new Command("backup", CliMessages.KmsBackupCommand()) { file, passphraseFile }, async (call, kms) =>
        {
            var path = Files.Full(call, call.Get(file)!);
            var passphrase = PassphraseOf(call, passphraseFile);
            if (File.Exists(path))
                throw new EnvelopeConfigurationException(CliMessages.FileExists(path));
            using var content = new MemoryStream();
            await kms.BackupAsync(content, passphrase, call.Cancellation).ConfigureAwait(false);
            await Files.WriteNewAsync(path, content.GetBuffer().AsMemory(0, (int)content.Length), call.Cancellation).ConfigureAwait(false);
            if (call.Console.IsJson)
                call.Console.WriteJson(new { File = path, Bytes = content.Length });
            call.Console.Note(CliMessages.BackupWritten(path));
            return ExitCodes.Ok;
        });
    }

    public static Command Restore(Wiring wiring)
    {
        var (file, passphraseFile) = Parameters();
        var execute = KeysCommand.Execute();
        return wiring.On(new Command("restore", CliMessages.KmsRestoreCommand()) { file, passphraseFile, execute }, async call =>
        {
            var path = Files.Full(call, call.Get(file)!);
            var passphrase = PassphraseOf(call, passphraseFile);
            var opened = call.Configuration.OpenKms(mayBeMade: true);
            await using (opened.ConfigureAwait(false))
            {
                if (opened.Makes is null && opened.Kms.FilePath is { } existing)
                    throw new EnvelopeConfigurationException(CliMessages.KmsHasKeys(existing));
                var source = Files.OpenRead(path);
                await using (source.ConfigureAwait(false))
                {
                    return await KeysCommand.PlanOrActAsync(
                        call,
                        call.Get(execute),
                        [("action", CliMessages.Restores(path, opened.Kms.StoreName))],
                        async () =>
                        {
                            await opened.Owner.RestoreAsync(source, passphrase, call.Cancellation).ConfigureAwait(false);
                            return new { Kms = opened.Kms.StoreName };
                        },
                        _ => CliMessages.KmsDone()).ConfigureAwait(false);
                }
            }
        });
    }

    private static (Argument<string> File, Option<string?> PassphraseFile) Parameters()
        => (new("file") { Description = CliMessages.BackupFileArgument() }, new("--passphrase-file") { Description = CliMessages.PassphraseFileOption() });

    private static string PassphraseOf(Call call, Option<string?> option)
    {
        if (call.Get(option) is { } file)
        {
            var path = Files.Full(call, file);
            return KmsSettings.ReadFirstLine(path) is { Length: > 0 } line ? line : throw new EnvelopeConfigurationException(CliMessages.PassphraseUnusable(path));
        }

        return call.Host.Environment.GetValueOrDefault(CliMessages.KmsVariable(Passphrase)) is { Length: > 0 } text
            ? text
            : throw new EnvelopeConfigurationException(CliMessages.BackupPassphraseMissing());
    }
}
