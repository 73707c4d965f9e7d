using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>kms grants</c>: what single principals may do with single keys; and <c>kms simulate</c>, which tells who may do what.</summary>
internal static class KmsGrantsCommand
{
    public static Command Create(Wiring wiring) => new("grants", CliMessages.KmsGrantsCommand()) { List(wiring), Add(wiring), Revoke(wiring) };

    public static Command Simulate(Wiring wiring)
    {
        var principal = new Argument<string>("principal") { Description = CliMessages.PrincipalArgument() };
        var operation = new Argument<string>("operation") { Description = CliMessages.OperationArgument() };
        var key = new Argument<string?>("key") { Description = CliMessages.KmsKeyArgument(), Arity = ArgumentArity.ZeroOrOne };
        var pairs = KmsCommand.Pairs();
        return KmsCommand.On(wiring, new Command("simulate", CliMessages.KmsSimulateCommand()) { principal, operation, key, pairs }, async (call, kms) =>
        {
            var decision = await kms.Access.SimulateAsync(
                call.Get(principal)!, ParseOperation(call.Get(operation)!), call.Get(key), KmsCommand.ParsePairs(call.Get(pairs)!), call.Cancellation).ConfigureAwait(false);
            if (call.Console.IsJson)
                call.Console.WriteJson(decision);
            else
                call.Console.Facts([("allowed", Views.YesNo(decision.Allowed)), ("rule", decision.Rule)]);
            return decision.Allowed ? ExitCodes.Ok : ExitCodes.Findings;
        });
    }

    private static Command List(Wiring wiring)
        => KmsCommand.On(wiring, new Command("list", CliMessages.KmsGrantsListCommand()), async (call, kms) => KmsCommand.List(
            call,
            "grants",
            await kms.Access.ListGrantsAsync(call.Cancellation).ConfigureAwait(false),
            ["grant", "principal", "key", "operations", "context", "exactly", "expires", "created"],
            g =>
            [
                g.GrantId, g.Principal, g.Key, string.Join(", ", g.Operations), g.Context.ToString(), Views.YesNo(g.ContextExactly), Views.Time(g.Expires), Views.Time(g.Created),
            ]));

    private static Command Add(Wiring wiring)
    {
        var principal = new Argument<string>("principal") { Description = CliMessages.PrincipalArgument() };
        var key = new Argument<string>("key") { Description = CliMessages.KmsKeyArgument() };
        var operations = new Option<string?>("--operations") { Description = CliMessages.OperationsOption() };
        var pairs = KmsCommand.Pairs();
        var exactly = new Option<bool>("--exactly") { Description = CliMessages.ExactlyOption() };
        var expires = new Option<string?>("--expires") { Description = CliMessages.ExpiresOption() };
        return KmsCommand.Changing(
            wiring,
            new Command("add", CliMessages.KmsGrantsAddCommand()) { principal, key, operations, pairs, exactly, expires },
            async (call, kms) =>
            {
                var context = KmsCommand.ParsePairs(call.Get(pairs)!);
                var named = await NameAsync(kms, call.Get(key)!, call.Cancellation).ConfigureAwait(false);
                return
                [
                    ("action", CliMessages.GrantAdds(call.Get(principal)!, named, Operations(call))), ("context", context.ToString()), ("exactly", Views.YesNo(call.Get(exactly))),
                    ("expires", Views.Time(Expires(call))),
                ];
            },
            async (call, kms) => new
            {
                Grant = await kms.Access.CreateGrantAsync(
                    call.Get(principal)!, call.Get(key)!, Operations(call), KmsCommand.ParsePairs(call.Get(pairs)!), call.Get(exactly), Expires(call), call.Cancellation).ConfigureAwait(false),
            },
            (call, done) =>
            {
                if (!call.Console.IsJson)
                    call.Console.Facts([("grant", done.Grant.GrantId)]);
                return CliMessages.KmsDone();
            });

        string[] Operations(Call call)
            => call.Get(operations)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } names
                ? names
                : throw new EnvelopeConfigurationException(CliMessages.OperationsMissing());

        // Who may manage access need not be allowed to look at keys: 'root' is not, once policies are enforced. An alias is then shown as it was typed.
        static async Task<string> NameAsync(LocalKms kms, string key, CancellationToken cancellationToken)
        {
            try
            {
                return (await kms.DescribeKeyAsync(key, cancellationToken).ConfigureAwait(false)).Name;
            }
            catch (KmsException e) when (e.Kind == KmsErrorKind.AccessDenied)
            {
                return key;
            }
        }

        DateTimeOffset? Expires(Call call) => call.Get(expires) is { } text ? call.Host.TimeProvider.GetUtcNow() + Durations.Parse("--expires", text) : null;
    }

    private static Command Revoke(Wiring wiring)
    {
        var grant = new Argument<string>("grant") { Description = CliMessages.GrantArgument() };
        return KmsCommand.Changing(
            wiring,
            new Command("revoke", CliMessages.KmsGrantsRevokeCommand()) { grant },
            (call, _) => KmsCommand.Action(CliMessages.GrantRevokes(call.Get(grant)!)),
            async (call, kms) =>
            {
                await kms.Access.RevokeGrantAsync(call.Get(grant)!, call.Cancellation).ConfigureAwait(false);
                return new { Grant = call.Get(grant)! };
            },
            (_, _) => CliMessages.KmsDone());
    }

    private static LocalKmsOperation ParseOperation(string text)
        => text.Length > 0 && char.IsAsciiLetter(text[0]) && Enum.TryParse<LocalKmsOperation>(text, ignoreCase: true, out var operation)
            ? operation
            : throw new EnvelopeConfigurationException(CliMessages.UnknownOperation(text));
}
