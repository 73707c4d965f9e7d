using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Kms.Local;
using EfEnvelope.Kms;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>kms policies</c>: what principals may do.</summary>
internal static class KmsPoliciesCommand
{
    public static Command Create(Wiring wiring) => new("policies", CliMessages.KmsPoliciesCommand()) { List(wiring), Set(wiring), Delete(wiring), Enforce(wiring) };

    private static Command List(Wiring wiring)
        => KmsCommand.On(wiring, new Command("list", CliMessages.KmsPoliciesListCommand()), async (call, kms) => KmsCommand.List(
            call,
            "policies",
            await kms.Access.ListPoliciesAsync(call.Cancellation).ConfigureAwait(false),
            ["policy", "changed", "document"],
            p => [p.Name, Views.Time(p.Changed), p.Document]));

    private static Command Set(Wiring wiring)
    {
        var file = new Argument<string>("file") { Description = CliMessages.PolicyFileArgument() };
        var name = new Option<string?>("--name") { Description = CliMessages.PolicyNameOption() };
        return KmsCommand.Changing(
            wiring,
            new Command("set", CliMessages.KmsPoliciesSetCommand()) { file, name },
            (call, _) =>
            {
                Read(call);
                return KmsCommand.Action(CliMessages.PolicySets(NameOf(call)));
            },
            async (call, kms) =>
            {
                await kms.Access.PutPolicyAsync(NameOf(call), Read(call), call.Cancellation).ConfigureAwait(false);
                return new { Policy = NameOf(call) };
            },
            (_, _) => CliMessages.KmsDone());

        string NameOf(Call call) => call.Get(name) ?? Path.GetFileNameWithoutExtension(call.Get(file)!);

        string Read(Call call) => Files.ReadText(call, call.Get(file)!);
    }

    private static Command Enforce(Wiring wiring)
    {
        var stop = new Option<bool>("--stop") { Description = CliMessages.StopEnforcingOption() };
        return KmsCommand.Changing(
            wiring,
            new Command("enforce", CliMessages.KmsPoliciesEnforceCommand()) { stop },
            async (call, kms) =>
            [
                ("action", call.Get(stop) ? CliMessages.StopsEnforcing() : CliMessages.Enforces()),
                ("enforced now", Views.YesNo(await kms.Access.IsEnforcedAsync(call.Cancellation).ConfigureAwait(false))),
                .. call.Get(stop) ? [] : await WarnAsync(call, kms).ConfigureAwait(false),
            ],
            async (call, kms) =>
            {
                await (call.Get(stop) ? kms.Access.StopEnforcingAsync(call.Cancellation) : kms.Access.EnforceAsync(call.Cancellation)).ConfigureAwait(false);
                return new { Enforced = !call.Get(stop) };
            },
            (_, _) => CliMessages.KmsDone());
    }

    // Access can be enforced beside a row that was altered.
    private static async Task<IEnumerable<(string Name, string Value)>> WarnAsync(Call call, LocalKms kms)
    {
        try
        {
            var keys = await kms.Access.ListKeysWithoutAdministratorAsync(call.Cancellation).ConfigureAwait(false);
            return keys.Count == 0 ? [] :
            [
                ("no administrator", CliMessages.NoAdministrator(keys)),
                ("to make one", CliMessages.MakeAdministrator()),
                ("admin.json", CliMessages.AdministratorPolicy()),
            ];
        }
        catch (KmsException e)
        {
            return [("no administrator", CliMessages.AdministratorsUnknown(e.Message))];
        }
    }

    private static Command Delete(Wiring wiring)
    {
        var name = new Argument<string>("policy") { Description = CliMessages.PolicyArgument() };
        return KmsCommand.Changing(
            wiring,
            new Command("delete", CliMessages.KmsPoliciesDeleteCommand()) { name },
            (call, _) => KmsCommand.Action(CliMessages.PolicyDeletes(call.Get(name)!)),
            async (call, kms) =>
            {
                await kms.Access.DeletePolicyAsync(call.Get(name)!, call.Cancellation).ConfigureAwait(false);
                return new { Policy = call.Get(name)! };
            },
            (_, _) => CliMessages.KmsDone());
    }
}
