using System.CommandLine;
using System.Globalization;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>kms keys</c>: the keys of the embedded KMS.</summary>
internal static class KmsKeysCommand
{
    public static Command Create(Wiring wiring)
        => new("keys", CliMessages.KmsKeysCommand())
        {
            List(wiring), Create1(wiring), Describe(wiring),
            Change(wiring, "rotate", CliMessages.KmsKeysRotateCommand(), CliMessages.KeyRotates, (kms, name, cancellation) => kms.RotateKeyAsync(name, cancellation), CliMessages.StaleAfterRotation()),
            Change(wiring, "enable", CliMessages.KmsKeysEnableCommand(), CliMessages.KeyEnables, (kms, name, cancellation) => kms.EnableKeyAsync(name, cancellation)),
            Change(wiring, "disable", CliMessages.KmsKeysDisableCommand(), CliMessages.KeyDisables, (kms, name, cancellation) => kms.DisableKeyAsync(name, cancellation)),
            Delete(wiring),
            Change(
                wiring, "cancel-delete", CliMessages.KmsKeysCancelDeleteCommand(), CliMessages.KeyDeletionCancels,
                (kms, name, cancellation) => kms.CancelKeyDeletionAsync(name, cancellation)),
        };

    private static Argument<string> KeyArgument() => new("key") { Description = CliMessages.KmsKeyArgument() };

    private static Command List(Wiring wiring)
        => KmsCommand.On(wiring, new Command("list", CliMessages.KmsKeysListCommand()), async (call, kms) => KmsCommand.List(
            call,
            "keys",
            await kms.ListKeysAsync(call.Cancellation).ConfigureAwait(false),
            ["key", "state", "algorithm", "primary version", "aliases", "next rotation", "deletion"],
            k => [k.Name, Views.Words(k.State), Algorithm(k.Algorithm), Number(k.PrimaryVersion), string.Join(", ", k.Aliases), Views.Time(k.NextRotation), Views.Time(k.DeletionAt)]));

    private static Command Describe(Wiring wiring)
    {
        var key = KeyArgument();
        return KmsCommand.On(wiring, new Command("describe", CliMessages.KmsKeysDescribeCommand()) { key }, async (call, kms) =>
        {
            var found = await kms.DescribeKeyAsync(call.Get(key)!, call.Cancellation).ConfigureAwait(false);
            if (call.Console.IsJson)
            {
                call.Console.WriteJson(new { Key = found });
                return ExitCodes.Ok;
            }

            call.Console.Facts(
            [
                ("key", found.Name), ("id", found.KeyId), ("kek", $"local:{found.Name}"), ("state", Views.Words(found.State)), ("algorithm", Algorithm(found.Algorithm)),
                ("imported", Views.YesNo(found.IsImported)), ("aliases", string.Join(", ", found.Aliases)), ("description", found.Description),
                .. found.Tags.Select(t => ("tag", $"{t.Key}={t.Value}")),
                ("rotation period", found.RotationPeriod is { } period ? Durations.Say(period) : "-"), ("next rotation", Views.Time(found.NextRotation)),
                ("deletion", Views.Time(found.DeletionAt)), ("created", Views.Time(found.Created)),
            ]);
            call.Console.Table(
                ["version", "state", "primary", "created"],
                found.Versions.Select(v => (IReadOnlyList<string>)[Number(v.Version), Views.Words(v.State), Views.YesNo(v.Version == found.PrimaryVersion), Views.Time(v.Created)]));
            return ExitCodes.Ok;
        });
    }

    private static Command Create1(Wiring wiring)
    {
        var key = new Argument<string>("key") { Description = CliMessages.KmsKeyNameArgument() };
        var algorithm = new Option<string?>("--algorithm") { Description = CliMessages.AlgorithmOption() };
        var period = new Option<string?>("--rotation-period") { Description = CliMessages.RotationPeriodOption() };
        return KmsCommand.Changing(
            wiring,
            new Command("create", CliMessages.KmsKeysCreateCommand()) { key, algorithm, period },
            (call, _) => KmsCommand.Action(CliMessages.KeyCreates(call.Get(key)!, Algorithm(Options(call).Algorithm))),
            async (call, kms) => new { Key = await kms.CreateKeyAsync(call.Get(key)!, Options(call), call.Cancellation).ConfigureAwait(false) },
            (_, done) => Say(done.Key),
            mayBeMade: true);

        LocalKmsKeyOptions Options(Call call) => new()
        {
            Algorithm = call.Get(algorithm) is { } text ? ParseAlgorithm(text) : LocalKmsKeyAlgorithm.Aes256,
            RotationPeriod = call.Get(period) is { } time ? Durations.Parse("--rotation-period", time) : null,
        };
    }

    private static Command Delete(Wiring wiring)
    {
        var key = KeyArgument();
        var option = new Option<string?>("--days") { Description = CliMessages.DaysOption() };
        return KmsCommand.Changing(
            wiring,
            new Command("delete", CliMessages.KmsKeysDeleteCommand()) { key, option },
            async (call, kms) =>
            {
                var days = Days(call);
                return Plan(await kms.DescribeKeyAsync(call.Get(key)!, call.Cancellation).ConfigureAwait(false), name => CliMessages.KeyDeletes(name, days));
            },
            async (call, kms) => new { Key = await kms.ScheduleKeyDeletionAsync(call.Get(key)!, Days(call), call.Cancellation).ConfigureAwait(false) },
            (_, done) => Say(done.Key));

        int Days(Call call) => call.Get(option) is { } text ? Numbers.Parse("--days", text, 7, 30) : 30;
    }

    private static Command Change(
        Wiring wiring, string name, string description, Func<string, string> action, Func<LocalKms, string, CancellationToken, Task<LocalKmsKey>> act, string? hint = null)
    {
        var key = KeyArgument();
        return KmsCommand.Changing(
            wiring,
            new Command(name, description) { key },
            async (call, kms) => Plan(await kms.DescribeKeyAsync(call.Get(key)!, call.Cancellation).ConfigureAwait(false), action),
            async (call, kms) => new { Key = await act(kms, call.Get(key)!, call.Cancellation).ConfigureAwait(false) },
            (call, done) =>
            {
                if (hint is not null)
                    call.Console.Note(hint);
                return Say(done.Key);
            });
    }

    private static IReadOnlyList<(string Name, string Value)> Plan(LocalKmsKey key, Func<string, string> action)
        => [("action", action(key.Name)), ("state", Views.Words(key.State)), ("primary version", Number(key.PrimaryVersion))];

    private static string Say(LocalKmsKey key) => CliMessages.KeyIs(key.Name, Views.Words(key.State), key.PrimaryVersion);

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Algorithm(LocalKmsKeyAlgorithm algorithm) => char.ToLowerInvariant(algorithm.ToString()[0]) + algorithm.ToString()[1..];

    private static LocalKmsKeyAlgorithm ParseAlgorithm(string text)
    {
        var known = Enum.GetValues<LocalKmsKeyAlgorithm>();
        var at = Array.FindIndex(known, a => string.Equals(a.ToString(), text, StringComparison.OrdinalIgnoreCase));
        return at >= 0 ? known[at] : throw new EnvelopeConfigurationException(CliMessages.UnknownAlgorithm(text, known.Select(Algorithm)));
    }
}
