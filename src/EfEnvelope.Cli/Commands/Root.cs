using System.CommandLine;
using EfEnvelope.Cli.Configuration;

namespace EfEnvelope.Cli.Commands;

/// <summary>All commands under one name.</summary>
internal static class Root
{
    public static RootCommand Create(ToolHost host)
    {
        var options = new GlobalOptions();
        var wiring = new Wiring(host, options);
        var root = new RootCommand(CliMessages.Description())
        {
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
        };
        options.AddTo(root);
        return root;
    }
}
