using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary>What changes the state of one key version: disable, enable, retire, destroy; or of all of a scope: shred.</summary>
internal static class KeyStateCommands
{
    private static readonly TimeSpan DefaultWaitingPeriod = TimeSpan.FromDays(7);

    public static Command Disable(Wiring wiring)
        => OfVersion(wiring, "disable", CliMessages.KeysDisableCommand(), KmsNeed.None, (call, database, info, execute) =>
            info.IsPrimary
                ? throw new OperationRefusedException(CliMessages.PrimaryNotDisabled(info.Version))
                : KeysCommand.PlanOrActAsync(
                    call,
                    execute,
                    [("action", CliMessages.Disables(info.Version)), ("status", Views.StateName(info.Status)), ("rows changed", "0")],
                    async () =>
                    {
                        await database.Keys.DisableAsync(info.Version, call.Cancellation).ConfigureAwait(false);
                        return new { info.Version };
                    },
                    done => CliMessages.Disabled(done.Version)));

    public static Command Enable(Wiring wiring)
        => OfVersion(wiring, "enable", CliMessages.KeysEnableCommand(), KmsNeed.Required, (call, database, info, execute) =>
            KeysCommand.PlanOrActAsync(
                call,
                execute,
                [("action", CliMessages.Enables(info.Version)), ("status", Views.StateName(info.Status)), ("rows changed", "0")],
                async () =>
                {
                    await database.Keys.EnableAsync(info.Version, call.Cancellation).ConfigureAwait(false);
                    return new { info.Version };
                },
                done => CliMessages.Enabled(done.Version)));

    public static Command Retire(Wiring wiring)
        => OfVersion(wiring, "retire", CliMessages.KeysRetireCommand(), KmsNeed.None, async (call, database, info, execute) =>
            Conclude(
                call,
                execute,
                await database.Keys.RetireAsync(info.Version, execute, call.Cancellation).ConfigureAwait(false),
                CliMessages.Retired(info.Version),
                CliMessages.WouldRetire(info.Version)));

    public static Command Destroy(Wiring wiring)
    {
        var confirm = new Option<string?>("--confirm") { Description = CliMessages.ConfirmOption() };
        var waiting = new Option<string?>("--waiting-period") { Description = CliMessages.WaitingPeriodOption() };
        var command = OfVersion(wiring, "destroy", CliMessages.KeysDestroyCommand(), KmsNeed.None, async (call, database, info, execute) =>
        {
            var period = call.Get(waiting) is { } text ? Durations.Parse("--waiting-period", text) : DefaultWaitingPeriod;
            var typed = await ConfirmedAsync(call, execute, call.Get(confirm), info.Version.ToString()).ConfigureAwait(false);
            if (execute ? typed != info.Version.ToString() : typed is not null && typed != info.Version.ToString())
                throw new EnvelopeConfigurationException(CliMessages.NotConfirmed(info.Version, typed is null));
            return Conclude(
                call,
                execute,
                await database.Keys.DestroyAsync(info.Version, period, execute, call.Cancellation).ConfigureAwait(false),
                CliMessages.Destroyed(info.Version),
                CliMessages.WouldDestroy(info.Version));
        });
        command.Add(confirm);
        command.Add(waiting);
        return command;
    }

    public static Command Shred(Wiring wiring)
    {
        var scopeArgument = new Argument<string>("scope") { Description = CliMessages.ShredScopeArgument() };
        var confirm = new Option<string?>("--confirm") { Description = CliMessages.ConfirmScopeOption() };
        var execute = KeysCommand.Execute();
        return wiring.On(new Command("shred", CliMessages.KeysShredCommand()) { scopeArgument, confirm, execute }, async call =>
        {
            var named = Names.ParseScope(call.Get(scopeArgument)!);
            var database = call.Open();
            await using (database.ConfigureAwait(false))
            {
                var scope = await call.ResolveScopeAsync(database, named.Name).ConfigureAwait(false);
                var versions = await database.Keys.ListAsync(scope, call.Cancellation).ConfigureAwait(false);
                var typed = await ConfirmedAsync(call, call.Get(execute), call.Get(confirm), scope.Name).ConfigureAwait(false);
                if (call.Get(execute) ? typed != scope.Name : typed is not null && typed != scope.Name)
                    throw new EnvelopeConfigurationException(CliMessages.ShredNotConfirmed(scope, typed is null));
                return await KeysCommand.PlanOrActAsync(
                    call,
                    call.Get(execute),
                    [
                        ("action", CliMessages.Shreds(scope)), .. versions.Select(v => ("version", $"{v.Version} ({Views.StateName(v.Status)})")), ("rows changed", "0"),
                        ("not reached", CliMessages.ShredLeaves()),
                    ],
                    async () => new { Versions = await database.Keys.ShredAsync(scope, call.Cancellation).ConfigureAwait(false) },
                    _ => CliMessages.Shredded(scope)).ConfigureAwait(false);
            }
        });
    }

    // On a terminal the name is asked for.
    private static async Task<string?> ConfirmedAsync(Call call, bool execute, string? typed, string name)
    {
        if (!execute || typed is not null || !call.Host.InIsTerminal)
            return typed;
        await call.Host.Error.WriteAsync(CliMessages.TypeToDestroy(name)).ConfigureAwait(false);
        return await call.Host.In.ReadLineAsync(call.Cancellation).ConfigureAwait(false) ?? "";
    }

    private static Command OfVersion(
        Wiring wiring, string name, string description, KmsNeed need, Func<Call, EncryptedDatabase, KeyVersionInfo, bool, Task<int>> run)
    {
        var version = new Argument<string>("version") { Description = CliMessages.VersionArgument() };
        var execute = KeysCommand.Execute();
        return wiring.On(new Command(name, description) { version, execute }, async call =>
        {
            var wanted = Names.ParseVersion(call.Get(version)!);
            var database = call.Open(need);
            await using (database.ConfigureAwait(false))
            {
                var scope = await call.ResolveScopeAsync(database, wanted.Scope.Name).ConfigureAwait(false);
                var info = (await database.Keys.ListAsync(scope, call.Cancellation).ConfigureAwait(false)).FirstOrDefault(v => v.Version == wanted)
                    ?? throw new EnvelopeConfigurationException(CliMessages.NoSuchVersion(wanted));
                return await run(call, database, info, call.Get(execute)).ConfigureAwait(false);
            }
        });
    }

    private static int Conclude(Call call, bool execute, RetirementReport report, string done, string planned)
    {
        if (call.Console.IsJson)
        {
            call.Console.WriteJson(new { Executed = execute && report.IsRetired, Report = report });
        }
        else
        {
            call.Console.Facts([("version", report.Version.ToString()), .. report.Columns.Select(c => ("searched", c))]);
            if (report.References.Count > 0)
                call.Console.Table(["column", "values"], report.References.Select(r => (IReadOnlyList<string>)[r.Column, Views.Count(r.Values)]));
        }

        if (!report.IsRetired)
        {
            call.Console.Note(CliMessages.StillReferred(report.Version));
            return ExitCodes.Findings;
        }

        call.Console.Note(execute ? done : planned);
        return execute ? ExitCodes.Ok : call.Planned();
    }
}
