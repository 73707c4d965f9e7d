using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>kms</c>: the embedded KMS, for its administrator. It needs no database.</summary>
internal static class KmsCommand
{
    public static Command Create(Wiring wiring)
        => new("kms", CliMessages.KmsCommand())
        {
            KmsKeysCommand.Create(wiring), KmsPrincipalsCommand.Create(wiring), KmsPoliciesCommand.Create(wiring), KmsGrantsCommand.Create(wiring),
            KmsGrantsCommand.Simulate(wiring), KmsSealsCommand.Create(wiring), KmsBackupCommands.Backup(wiring), KmsBackupCommands.Restore(wiring),
        };

    /// <summary>Gives a command the KMS that is configured.</summary>
    public static Command On(Wiring wiring, Command command, Func<Call, LocalKms, Task<int>> run)
        => wiring.On(command, async call =>
        {
            var opened = call.Configuration.OpenKms(mayBeMade: false);
            await using (opened.ConfigureAwait(false))
                return await GuardAsync(() => run(call, opened.Kms)).ConfigureAwait(false);
        });

    /// <summary>A command that changes the KMS: it shows its plan, and acts when it is told to.</summary>
    /// <param name="wiring">What every command runs with.</param>
    /// <param name="command">The command, with its arguments.</param>
    /// <param name="plan">Tells what would be done; what it reads must be there.</param>
    /// <param name="act">Does it.</param>
    /// <param name="say">Tells what came of it.</param>
    /// <param name="mayBeMade">Whether a KMS that does not exist is made.</param>
    /// <param name="yieldsData">Whether <paramref name="say" /> writes data, which then stands on stdout alone, without the plan.</param>
    public static Command Changing<T>(
        Wiring wiring,
        Command command,
        Func<Call, LocalKms, Task<IReadOnlyList<(string Name, string Value)>>> plan,
        Func<Call, LocalKms, Task<T>> act,
        Func<Call, T, string> say,
        bool mayBeMade = false,
        bool yieldsData = false)
        where T : class
    {
        var execute = KeysCommand.Execute();
        command.Add(execute);
        return wiring.On(command, async call =>
        {
            var opened = call.Configuration.OpenKms(mayBeMade);
            await using (opened.ConfigureAwait(false))
            {
                return await GuardAsync(async () => await KeysCommand.PlanOrActAsync(
                    call,
                    call.Get(execute),
                    [.. await plan(call, opened.Kms).ConfigureAwait(false), ("kms", opened.Kms.StoreName), .. opened.Makes is { } made ? [("new KMS", made)] : Array.Empty<(string, string)>()],
                    async () =>
                    {
                        if (mayBeMade)
                            await opened.Owner.CreateAsync(call.Cancellation).ConfigureAwait(false);
                        return await act(call, opened.Kms).ConfigureAwait(false);
                    },
                    done => say(call, done),
                    yieldsData).ConfigureAwait(false)).ConfigureAwait(false);
            }
        });
    }

    /// <summary>A plan of one action.</summary>
    public static Task<IReadOnlyList<(string Name, string Value)>> Action(string text)
        => Task.FromResult<IReadOnlyList<(string, string)>>([("action", text)]);

    public static Option<string[]> Pairs() => new("--context") { Description = CliMessages.PairsOption(), DefaultValueFactory = _ => [] };

    /// <summary>Reads the pairs of an encryption context, <c>name=value</c> each.</summary>
    public static EncryptionContext ParsePairs(string[] texts)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            if (text.IndexOf('=', StringComparison.Ordinal) is not (> 0 and var at) || !pairs.TryAdd(text[..at], text[(at + 1)..]))
                throw new EnvelopeConfigurationException(CliMessages.MalformedPair(text));
        }

        return new EncryptionContext(pairs);
    }

    // Names and periods are typed by who calls the tool.
    private static async Task<int> GuardAsync(Func<Task<int>> run)
    {
        try
        {
            return await run().ConfigureAwait(false);
        }
        catch (ArgumentException e) when (e.ParamName is not null)
        {
            throw new EnvelopeConfigurationException(CliMessages.KmsArgumentRefused(e));
        }
    }

    /// <summary>Writes a list: as JSON under a name, or as a table.</summary>
    public static int List<T>(Call call, string name, IReadOnlyList<T> rows, IReadOnlyList<string> headings, Func<T, IReadOnlyList<string>> cells)
    {
        if (call.Console.IsJson)
            call.Console.WriteJson(new Dictionary<string, object> { [name] = rows });
        else
            call.Console.Table(headings, rows.Select(cells));
        return ExitCodes.Ok;
    }
}
