using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>keys</c>: lists versions, and makes or rewraps them. What changes a version's state is in <see cref="KeyStateCommands" />.</summary>
internal static class KeysCommand
{
    public static Option<bool> Execute() => new("--execute") { Description = CliMessages.ExecuteOption() };

    public static Command Create(Wiring wiring)
        => new("keys", CliMessages.KeysCommand())
        {
            List(wiring), Create1(wiring), Rotate(wiring), Rewrap(wiring),
            KeyStateCommands.Disable(wiring), KeyStateCommands.Enable(wiring), KeyStateCommands.Retire(wiring), KeyStateCommands.Destroy(wiring),
            KeyStateCommands.Shred(wiring),
        };

    private static Argument<string?> ScopeArgument() => new("scope") { Description = CliMessages.ScopeArgument(), Arity = ArgumentArity.ZeroOrOne };

    private static Command List(Wiring wiring)
    {
        var scope = ScopeArgument();
        return wiring.On(new Command("list", CliMessages.KeysListCommand()) { scope }, async call =>
        {
            var named = call.ScopeOf(scope);
            var database = call.Open();
            await using (database.ConfigureAwait(false))
            {
                IReadOnlyList<KeyScope> scopes = named is not null
                    ? [await call.ResolveScopeAsync(database, named).ConfigureAwait(false)]
                    : await database.Keys.GetScopesAsync(call.Cancellation).ConfigureAwait(false);
                var versions = new List<KeyVersionInfo>();
                foreach (var one in scopes)
                    versions.AddRange(await database.Keys.ListAsync(one, call.Cancellation).ConfigureAwait(false));
                if (call.Console.IsJson)
                    call.Console.WriteJson(new { Versions = versions });
                else if (versions.Count > 0)
                    call.Console.Show(versions);
                else
                    call.Console.Note(CliMessages.NoKeys());
                return ExitCodes.Ok;
            }
        });
    }

    private static Command Create1(Wiring wiring)
    {
        var (scopeArgument, execute) = (ScopeArgument(), Execute());
        return wiring.On(new Command("create", CliMessages.KeysCreateCommand()) { scopeArgument, execute }, async call =>
        {
            var scope = Names.ParseScope(call.ScopeOf(scopeArgument) ?? new EnvelopeOptions().Scope);
            var database = call.Open(KmsNeed.MayBeMade);
            await using (database.ConfigureAwait(false))
            {
                if ((await database.Keys.GetScopesAsync(call.Cancellation).ConfigureAwait(false)).Contains(scope))
                    throw new OperationRefusedException(CliMessages.ScopeHasKeys(scope));
                return await PlanOrActAsync(
                    call,
                    call.Get(execute),
                    [("action", CliMessages.CreatesVersion(new KeyVersion(scope, 1))), .. WrappedUnder(call), ("tables", CliMessages.CreatesTables()), ("rows changed", "0")],
                    async () => new { Version = await database.Keys.CreateAsync(scope, call.Cancellation).ConfigureAwait(false) },
                    done => CliMessages.Created(done.Version)).ConfigureAwait(false);
            }
        });
    }

    private static Command Rotate(Wiring wiring)
    {
        var (scopeArgument, execute) = (ScopeArgument(), Execute());
        var includeSearch = new Option<bool>("--include-search", "--search") { Description = CliMessages.IncludeSearchOption() };
        var delay = new Option<string?>("--activation-delay") { Description = CliMessages.ActivationDelayOption() };
        return wiring.On(new Command("rotate", CliMessages.KeysRotateCommand()) { scopeArgument, includeSearch, delay, execute }, async call =>
        {
            var named = call.ScopeOf(scopeArgument);
            TimeSpan? wait = call.Get(delay) is { } text ? Durations.Parse("--activation-delay", text) : null;
            var search = call.Get(includeSearch);
            var database = call.Open(KmsNeed.Required);
            await using (database.ConfigureAwait(false))
            {
                var scope = await call.ResolveScopeAsync(database, named).ConfigureAwait(false);
                var versions = await database.Keys.ListAsync(scope, call.Cancellation).ConfigureAwait(false);
                var next = new KeyVersion(scope, versions.Max(v => v.Version.Number) + 1);

                // What would be refused is refused without '--execute', too.
                await database.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Rotate, Scope = scope.Name, ActivationDelay = wait }, call.Cancellation).ConfigureAwait(false);
                return await PlanOrActAsync(
                    call,
                    call.Get(execute),
                    [
                        ("action", CliMessages.CreatesVersion(next)), .. WrappedUnder(call),
                        ("encrypts after", CliMessages.EncryptsAfter(wait ?? call.Configuration.ActivationDelay)),
                        ("moves what is compared", Views.YesNo(search)), ("rows changed", "0"),
                    ],
                    async () => new { Version = await database.Keys.RotateAsync(scope, wait, search, call.Cancellation).ConfigureAwait(false) },
                    done => CliMessages.Rotated(done.Version)).ConfigureAwait(false);
            }
        });
    }

    private static Command Rewrap(Wiring wiring)
    {
        var (scopeArgument, execute) = (ScopeArgument(), Execute());
        return wiring.On(new Command("rewrap", CliMessages.KeysRewrapCommand()) { scopeArgument, execute }, async call =>
        {
            var named = call.ScopeOf(scopeArgument);
            var database = call.Open(KmsNeed.Required);
            await using (database.ConfigureAwait(false))
            {
                if (named is null && await database.Keys.GetScopesAsync(call.Cancellation).ConfigureAwait(false) is { Count: > 1 } scopes)
                    return await RewrapAllAsync(call, database, scopes.Count, call.Get(execute)).ConfigureAwait(false);
                var scope = await call.ResolveScopeAsync(database, named).ConfigureAwait(false);
                var versions = await database.Keys.ListAsync(scope, call.Cancellation).ConfigureAwait(false);
                return await PlanOrActAsync(
                    call,
                    call.Get(execute),
                    [
                        ("action", CliMessages.Rewraps(scope)),
                        .. versions.Where(v => v.Status != KeyVersionStatus.Destroyed).Select(v => ("version", $"{v.Version} ({string.Join(", ", v.Keks)})")),
                        .. await NowUnderAsync(call, database).ConfigureAwait(false), .. WrappedUnder(call), ("rows changed", "0"),
                    ],
                    async () => new { Versions = await database.Keys.RewrapAsync(scope, call.Cancellation).ConfigureAwait(false) },
                    done => CliMessages.Rewrapped(done.Versions.Count)).ConfigureAwait(false);
            }
        });
    }

    private static async Task<IEnumerable<(string Name, string Value)>> NowUnderAsync(Call call, EncryptedDatabase database)
    {
        var configured = call.Configuration.Keks.Select(k => k.Uri.ToString()).ToHashSet(StringComparer.Ordinal);
        var copies = await database.Keys.ListCopiesAsync(askKms: false, call.Cancellation).ConfigureAwait(false);
        return copies.Where(c => c.State != KekCopyState.Missing).GroupBy(c => c.Kek).OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => ("now under", $"{(configured.Contains(g.Key) ? g.Key : CliMessages.NotConfigured(g.Key))}: {Views.Count(g.Count())}"));
    }

    // There may be very many scopes, so the plan has their number, and the KEKs that their keys are under now.
    private static async Task<int> RewrapAllAsync(Call call, EncryptedDatabase database, int scopes, bool execute)
    {
        return await PlanOrActAsync(
            call,
            execute,
            [
                ("action", CliMessages.RewrapsAll(scopes)),
                .. await NowUnderAsync(call, database).ConfigureAwait(false), .. WrappedUnder(call), ("rows changed", "0"),
            ],
            async () => new { Scopes = await database.Keys.RewrapAllAsync(call.Cancellation).ConfigureAwait(false) },
            done => CliMessages.RewrappedAll(done.Scopes.Count)).ConfigureAwait(false);
    }

    /// <summary>Shows a plan; acts if that is wanted, and says what came of it. JSON is one document of both.</summary>
    public static async Task<int> PlanOrActAsync<T>(
        Call call, bool execute, IReadOnlyList<(string Name, string Value)> plan, Func<Task<T>> act, Func<T, string> say, bool yieldsData = false)
        where T : class
    {
        if (!call.Console.IsJson && !(execute && yieldsData))
            call.Console.Facts(plan);
        var result = execute ? await act().ConfigureAwait(false) : null;
        if (call.Console.IsJson)
            call.Console.WriteJson(new { Executed = execute, Plan = plan.Select(p => new { p.Name, p.Value }), Result = result });
        if (result is null)
            return call.Planned();
        call.Console.Note(say(result));
        return ExitCodes.Ok;
    }

    private static IEnumerable<(string Name, string Value)> WrappedUnder(Call call)
        => call.Configuration.Keks.SelectMany(k => ((string, string)[])[("wrapped under", k.Uri.ToString()), .. k.Makes is { } made ? [("new KMS", made)] : Array.Empty<(string, string)>()]);
}
