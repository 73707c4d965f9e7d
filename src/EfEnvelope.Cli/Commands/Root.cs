using System.CommandLine;
using System.CommandLine.Help;
using EfEnvelope.Cli.Configuration;

namespace EfEnvelope.Cli.Commands;

/// <summary>All commands under one name.</summary>
internal static class Root
{
    public static Command Create(ToolHost host)
    {
        var options = new GlobalOptions();
        var wiring = new Wiring(host, options);

        // No 'RootCommand', which calls itself by the executable of the process that it happens to be in.
        var root = new Command(CliMessages.Tool, CliMessages.Description())
        {
            new HelpOption(),
            new VersionOption(),
            StatusCommand.Create(wiring),
            KeysCommand.Create(wiring),
            RowCommands.Reencrypt(wiring),
            RowCommands.Backfill(wiring),
            RowCommands.Decrypt(wiring),
            RowCommands.Reindex(wiring),
            JobsCommand.Create(wiring),
            VerifyCommand.Create(wiring),
            InspectCommand.Create(wiring),
            DoctorCommand.Create(wiring),
            CostCommand.Create(wiring),
            AuditCommand.Create(wiring),
            KmsCommand.Create(wiring),
            TrustCommand.Create(wiring),
        };
        options.AddTo(root);
        return root;
    }
}
