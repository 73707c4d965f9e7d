using System.CommandLine;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary>The options of a command that changes rows.</summary>
internal sealed class RequestOptions
{
    private readonly Option<string?> _into = new("--into") { Description = CliMessages.IntoOption() };
    private readonly Option<string?> _mode = new("--mode") { Description = CliMessages.ModeOption() };
    private readonly Option<string?> _context = new("--context") { Description = CliMessages.ContextOption() };
    private readonly Option<string?> _type = new("--type") { Description = CliMessages.TypeOption() };
    private readonly Option<string?> _batchSize = new("--batch-size") { Description = CliMessages.BatchSizeOption() };
    private readonly Option<string?> _rangeSize = new("--range-size") { Description = CliMessages.RangeSizeOption() };
    private readonly Option<bool> _enqueueOnly = new("--enqueue-only") { Description = CliMessages.EnqueueOnlyOption() };
    private readonly Option<bool> _execute = KeysCommand.Execute();
    private readonly ThrottleOptions _throttle = new();

    public RunSettings Run { get; } = new();

    public void AddTo(Command command, bool withType)
    {
        command.Add(_into);
        command.Add(_mode);
        command.Add(_context);
        if (withType)
            command.Add(_type);
        _throttle.AddTo(command);
        command.Add(_batchSize);
        command.Add(_rangeSize);
        Run.AddTo(command);
        command.Add(_enqueueOnly);
        command.Add(_execute);
    }

    public bool IsExecuting(Call call) => call.Get(_execute);

    public bool IsEnqueuingOnly(Call call) => call.Get(_enqueueOnly);

    public JobRequest Read(Call call, JobKind kind)
    {
        var request = new JobRequest
        {
            Kind = kind,
            Into = call.Get(_into) is { } into ? Names.ParseName(into) : null,
            Mode = ParseMode(call.Get(_mode)),
            Context = call.Get(_context),
            PlaintextType = call.Get(_type),
            Throttle = _throttle.Read(call, new Throttle()),
        };
        if (call.Get(_batchSize) is { } batch)
            request = request with { BatchSize = Numbers.Parse("--batch-size", batch, 1, 500) };
        return call.Get(_rangeSize) is { } range ? request with { RangeSize = Numbers.Parse("--range-size", range, 1, 10_000_000) } : request;
    }

    /// <summary>Refuses what makes sense for one column only.</summary>
    public static void RequireOneColumn(JobRequest request)
    {
        if (request.Columns.Count != 1 && (request.Into ?? request.Context) is not null)
            throw new EnvelopeConfigurationException(CliMessages.OneColumnOnly());
    }

    private static EncryptionMode? ParseMode(string? text)
        => text switch
        {
            null => null,
            "randomized" => EncryptionMode.Randomized,
            "deterministic" => EncryptionMode.Deterministic,
            _ => throw new EnvelopeConfigurationException(CliMessages.MalformedMode(text)),
        };
}
