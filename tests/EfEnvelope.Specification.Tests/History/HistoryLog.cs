using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace EfEnvelope.Specification.History;

/// <summary>
/// What one process did, a line for each event, appended and handed to the operating system before the process goes on: a killed process leaves
/// what it had begun. Safe for concurrent use.
/// </summary>
public sealed class HistoryLog(string file) : IDisposable
{
    private static readonly JsonSerializerOptions Json = new()
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault, Converters = { new JsonStringEnumConverter() },
    };

    private readonly Lock _lock = new();
    private readonly FileStream _stream = new(file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

    /// <summary>Reads the one clock of all processes on this machine.</summary>
    public static long Now() => Stopwatch.GetTimestamp();

    public void Begin(string op, long begin, long row, int revision, HistoryState? state)
        => Write(new HistoryEvent { Kind = HistoryEventKind.Begin, Op = op, Begin = begin, Row = row, Revision = revision, State = state });

    public void End(string op, WriteOutcome outcome, string? message = null)
        => Write(new HistoryEvent { Kind = HistoryEventKind.End, Op = op, End = Now(), Outcome = outcome, Message = message });

    public void Query(long begin, IEnumerable<HistoryRow> rows, long? row = null, string? column = null, string? value = null)
        => Write(
            new HistoryEvent
            {
                Kind = HistoryEventKind.Query, Begin = begin, End = Now(), Row = row, Column = column, Value = value,
                Rows = [.. rows.Select(r => new SeenRow(r.Id, HistoryState.Of(r)))],
            });

    public void Alarm(string message) => Write(new HistoryEvent { Kind = HistoryEventKind.Alarm, Message = message });

    /// <summary>Reads what all processes of a folder wrote. The last line of a killed process may be cut.</summary>
    public static IReadOnlyList<HistoryEvent> ReadFolder(string folder)
    {
        var events = new List<HistoryEvent>();
        foreach (var file in Directory.EnumerateFiles(folder, "*.log").Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            var lines = reader.ReadToEnd().Split('\n');

            // What follows the last line feed is nothing, or a line that its process did not get to end.
            events.AddRange(lines[..^1].Select(line => JsonSerializer.Deserialize<HistoryEvent>(line, Json)!));
        }

        return events;
    }

    public void Dispose() => _stream.Dispose();

    private void Write(HistoryEvent e)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(e, Json), (byte)'\n'];
        lock (_lock)
            _stream.Write(line);
    }
}
