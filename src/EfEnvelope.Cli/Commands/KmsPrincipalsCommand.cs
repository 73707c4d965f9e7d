using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>kms principals</c>: who may use the embedded KMS. A credential is shown once, on stdout.</summary>
internal static class KmsPrincipalsCommand
{
    public static Command Create(Wiring wiring)
        => new("principals", CliMessages.KmsPrincipalsCommand())
        {
            List(wiring),
            Issue(
                wiring, "create", CliMessages.KmsPrincipalsCreateCommand(), null, (name, _) => CliMessages.PrincipalCreates(name),
                (access, name, _, cancellation) => access.CreatePrincipalAsync(name, cancellation)),
            Change(wiring, "disable", CliMessages.KmsPrincipalsDisableCommand(), CliMessages.PrincipalDisables, (access, name, cancellation) => access.DisablePrincipalAsync(name, cancellation)),
            Issue(
                wiring, "rotate", CliMessages.KmsPrincipalsRotateCommand(), new Option<string?>("--overlap") { Description = CliMessages.OverlapOption() }, CliMessages.PrincipalRotates,
                (access, name, overlap, cancellation) => access.RotateCredentialAsync(name, overlap, cancellation)),
            Change(wiring, "delete", CliMessages.KmsPrincipalsDeleteCommand(), CliMessages.PrincipalDeletes, (access, name, cancellation) => access.DeletePrincipalAsync(name, cancellation)),
        };

    private static Argument<string> NameArgument() => new("principal") { Description = CliMessages.PrincipalArgument() };

    private static Command List(Wiring wiring)
        => KmsCommand.On(wiring, new Command("list", CliMessages.KmsPrincipalsListCommand()), async (call, kms) => KmsCommand.List(
            call,
            "principals",
            await kms.Access.ListPrincipalsAsync(call.Cancellation).ConfigureAwait(false),
            ["principal", "disabled", "created", "former credential until"],
            p => [p.Name, Views.YesNo(p.Disabled), Views.Time(p.Created), Views.Time(p.FormerCredentialValidUntil)]));

    private static Command Issue(
        Wiring wiring, string verb, string description, Option<string?>? overlap, Func<string, TimeSpan, string> action,
        Func<LocalKmsAccess, string, TimeSpan, CancellationToken, Task<string>> act)
    {
        var name = NameArgument();
        var command = new Command(verb, description) { name };
        if (overlap is not null)
            command.Add(overlap);
        return KmsCommand.Changing(
            wiring,
            command,
            (call, _) => KmsCommand.Action(action(call.Get(name)!, Overlap(call))),
            async (call, kms) => new { Principal = call.Get(name)!, Credential = await act(kms.Access, call.Get(name)!, Overlap(call), call.Cancellation).ConfigureAwait(false) },
            (call, done) =>
            {
                if (!call.Console.IsJson)
                    call.Console.Line(done.Credential);
                return CliMessages.CredentialShownOnce();
            },
            yieldsData: true);

        TimeSpan Overlap(Call call) => overlap is not null && call.Get(overlap) is { } text ? Durations.Parse("--overlap", text) : TimeSpan.Zero;
    }

    private static Command Change(Wiring wiring, string verb, string description, Func<string, string> action, Func<LocalKmsAccess, string, CancellationToken, Task> act)
    {
        var name = NameArgument();
        return KmsCommand.Changing(
            wiring,
            new Command(verb, description) { name },
            (call, _) => KmsCommand.Action(action(call.Get(name)!)),
            async (call, kms) =>
            {
                await act(kms.Access, call.Get(name)!, call.Cancellation).ConfigureAwait(false);
                return new { Principal = call.Get(name)! };
            },
            (_, _) => CliMessages.KmsDone());
    }
}
