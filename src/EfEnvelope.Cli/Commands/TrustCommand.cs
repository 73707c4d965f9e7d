using System.CommandLine;
using EfEnvelope.Cli.Configuration;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>trust</c>: confirms the configuration file in the working directory as it is now.</summary>
internal static class TrustCommand
{
    public static Command Create(Wiring wiring)
        => wiring.On(new Command("trust", CliMessages.TrustCommand()), call => Task.FromResult(Run(call)));

    private static int Run(Call call)
    {
        var path = Path.GetFullPath(ConfigurationFile.Name, call.Host.Directory);
        if (!File.Exists(path))
            throw new EnvelopeConfigurationException(CliMessages.NothingToTrust(path));
        var (file, content) = ConfigurationFile.Read(path);
        if (!FileOwner.IsUsersAlone(path))
            throw new EnvelopeConfigurationException(CliMessages.FileOfOthers(path));
        var digest = TrustedFiles.Of(call.Host).Add(path, content);

        // A connection string may hold a password, so of those the names alone are shown.
        IReadOnlyList<(string Name, string Value)> facts =
        [
            ("file", path), ("sha-256", digest), .. file.Settings.Keys.Select(name => ("setting", name)), .. file.Connections.Keys.Select(name => ("connection", name)),
            .. file.Kms.SelectMany(kms => kms.Select(s => ($"kms {s.Key}", s.Key == "connection" ? "(not shown)" : s.Value))),
        ];
        if (call.Console.IsJson)
            call.Console.WriteJson(new { File = path, Sha256 = digest });
        else
            call.Console.Facts(facts);
        call.Console.Note(CliMessages.Trusted(path));
        return ExitCodes.Ok;
    }
}
