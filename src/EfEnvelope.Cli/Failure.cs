using System.CommandLine;
using System.Text.RegularExpressions;
using EfEnvelope.Kms;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli;

/// <summary>What an exception comes to: an exit code, what happened, and what to do.</summary>
internal sealed partial record Failure(int ExitCode, string Error, string Hint)
{
    public static Failure Of(Exception exception, CancellationToken cancellationToken)
        => exception switch
        {
            // A database says in its own way that its command was cancelled.
            (OperationCanceledException or System.Data.Common.DbException or KeyUnavailableException or OperationRefusedException) when cancellationToken.IsCancellationRequested
                => new Failure(ExitCodes.Cancelled, CliMessages.Cancelled(), CliMessages.CancelledHint()),
            WrongKeyScopeException e => Explain(ExitCodes.Usage, e, CliMessages.UsageHint()),
            EnvelopeConfigurationException e => Explain(ExitCodes.Usage, e, CliMessages.UsageHint()),
            OperationRefusedException e => OfRefused(e),
            KeyDestroyedException e => Explain(ExitCodes.Gone, e, CliMessages.GoneHint()),
            EnvelopeDecryptionException e => Explain(ExitCodes.Alarm, e, CliMessages.AlarmHint()),
            KeyUnavailableException e => OfUnavailable(e),
            KmsException e => Explain(CodeOf(e.Kind), e, CliMessages.UnavailableHint()),
            _ => DatabaseFailure.Find(exception) ?? new Failure(
                ExitCodes.Internal,
                CliMessages.Unexpected(exception.GetType().Name, (exception.TargetSite?.DeclaringType?.Name, exception.TargetSite?.Name)),
                CliMessages.UnexpectedHint()),
        };

    public static Failure OfArguments(ParseResult parse, IReadOnlyList<string> args)
    {
        var command = string.Join(' ', Path(parse.CommandResult).Reverse());
        if (args.Any(a => SecretArgument().IsMatch(a)))
            return Split(ExitCodes.Usage, CliMessages.SecretOnCommandLine(), CliMessages.HelpHint(command));
        if (parse.UnmatchedTokens is [var unknown, ..])
            return new Failure(ExitCodes.Usage, CliMessages.UnknownArgument(unknown.Contains('=') ? unknown[..unknown.IndexOf('=')] : unknown), CliMessages.HelpHint(command));
        return new Failure(ExitCodes.Usage, parse.Errors[0].Message, CliMessages.HelpHint(command));
    }

    private static IEnumerable<string> Path(System.CommandLine.Parsing.SymbolResult? result)
    {
        for (; result is not null; result = result.Parent)
        {
            if (result is System.CommandLine.Parsing.CommandResult command)
                yield return command.Command.Name;
        }
    }

    // What the caller has to mend is often named by the cause alone: a KMS that refuses, a database that is not there.
    private static Failure OfUnavailable(KeyUnavailableException exception)
    {
        for (var cause = exception.InnerException; cause is not null; cause = cause.InnerException)
        {
            if (cause is KmsException kms)
            {
                var reason = Explain(ExitCodes.Unavailable, kms, CliMessages.UnavailableHint());
                return reason with { Error = $"{FirstSentence(exception.Message)} {reason.Error}" };
            }

            if (DatabaseFailure.OfOne(cause) is { ExitCode: not ExitCodes.Internal } database)
                return database;
        }

        return Explain(ExitCodes.Unavailable, exception, CliMessages.UnavailableHint());
    }

    // What an administrator asked the embedded KMS for itself: most of what goes wrong there does not mend by waiting.
    private static int CodeOf(KmsErrorKind kind)
        => kind switch
        {
            KmsErrorKind.InvalidRequest or KmsErrorKind.NotFound or KmsErrorKind.NotFoundOrDenied or KmsErrorKind.AccessDenied
                or KmsErrorKind.Unauthenticated => ExitCodes.Usage,
            KmsErrorKind.Disabled or KmsErrorKind.PendingDeletion => ExitCodes.Refused,
            KmsErrorKind.InvalidCiphertext => ExitCodes.Alarm,
            _ => ExitCodes.Unavailable,
        };

    // A database that refuses for want of a right or a table is more to the point than that it refused.
    private static Failure OfRefused(OperationRefusedException exception)
        => DatabaseFailure.Find(exception.InnerException) is { ExitCode: not ExitCodes.Internal } database ? database : Explain(ExitCodes.Refused, exception, CliMessages.RefusedHint());

    private static Failure Explain(int code, Exception exception, string hint) => Split(code, exception.Message, hint);

    // Texts of the house say what and whose first, and how to mend it after that.
    internal static Failure Split(int code, string message, string hint)
    {
        var first = FirstSentence(message);
        var rest = message[first.Length..].Trim();
        return new Failure(code, first, rest.Length > 0 ? rest : hint);
    }

    internal static string FirstSentence(string message)
        => SentenceEnd().Match(message) is { Success: true } end ? message[..(end.Index + 1)] : message;

    // A sentence begins with a capital, or with a command in quotes.
    [GeneratedRegex(@"[.]\s+(?=\p{Lu}|'[-\p{Ll}])")]
    private static partial Regex SentenceEnd();

    // What a connection string calls a secret.
    [GeneratedRegex("password|pwd|passphrase|secret|token", RegexOptions.IgnoreCase)]
    internal static partial Regex Secret();

    // An option of that name, or a connection string; a column may well be called 'Password'.
    [GeneratedRegex(@"^--?[-\w]*(password|pwd|passphrase|secret|token|credential|\bpin\b)|(password|pwd)\s*=", RegexOptions.IgnoreCase)]
    private static partial Regex SecretArgument();
}
