using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace EfEnvelope.Specification.History;

/// <summary>What a process is told to do in one run; a line of JSON on its standard input.</summary>
public sealed record HistoryRun
{
    private static readonly JsonSerializerOptions Json = new() { Converters = { new JsonStringEnumConverter() } };

    public required string Provider { get; init; }

    public required string Connection { get; init; }

    /// <summary>Gets the file that the process appends to; no other does.</summary>
    public required string LogFile { get; init; }

    /// <summary>Gets the name that begins the names of all its operations; no other process has it.</summary>
    public required string Name { get; init; }

    public required int Seed { get; init; }

    public HistoryStorage Storage { get; init; }

    /// <summary>Gets which of the writers, readers or workers it is, from 0.</summary>
    public int Index { get; init; }

    /// <summary>Gets how many writers there are.</summary>
    public int Writers { get; init; } = 1;

    /// <summary>Gets how many rows there were at the beginning, with the keys from 1.</summary>
    public int Rows { get; init; }

    /// <summary>Gets the first key of the rows that it inserts.</summary>
    public long NewRowsFrom { get; init; }

    /// <summary>Gets how many operations it has under way at once.</summary>
    public int Sessions { get; init; } = 1;

    /// <summary>Gets how long it rests after each operation, on average, in milliseconds.</summary>
    public int Pause { get; init; }

    /// <summary>Gets whether writers do nothing but change rows, and workers wait for that between reading a batch and writing it.</summary>
    public bool Hammers { get; init; }

    /// <summary>Gets the job that a worker runs.</summary>
    public long Job { get; init; }

    /// <summary>Gets whether a worker writes without looking, to show that this is noticed.</summary>
    public bool IsBroken { get; init; }

    /// <summary>Gets the seed of one of its sessions.</summary>
    public int SeedOf(int session) => unchecked((((Seed * 31) + Index) * 31) + session);

    public string Format() => JsonSerializer.Serialize(this, Json);

    public static HistoryRun Parse(string line) => JsonSerializer.Deserialize<HistoryRun>(line, Json)!;
}

/// <summary>Which rows and values there are, so that all processes agree.</summary>
public static class HistoryPlan
{
    /// <summary>Gets the columns that queries compare.</summary>
    public static readonly IReadOnlyList<string> Searched =
        [nameof(HistoryState.Email), nameof(HistoryState.Code), nameof(HistoryState.Tag), nameof(HistoryState.Note), nameof(HistoryState.Label)];

    /// <summary>Refreshes keys so often, and lets a new version encrypt so early, that a test need not wait for hours.</summary>
    public static EnvelopeOptions Hurry(EnvelopeOptions options)
        => options with
        {
            RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(1.5), RetryInterval = TimeSpan.FromMilliseconds(300),
            NegativeCacheTime = TimeSpan.FromMilliseconds(100),
        };

    /// <summary>Gets whether a row keeps its encrypted values, so that each query for them must find it; its plain column may change.</summary>
    public static bool IsStable(long id) => id % 5 == 0;

    /// <summary>Gets whether all writers write a row.</summary>
    public static bool IsShared(long id) => id % 5 == 1;

    /// <summary>Gets the writer of a row that has one.</summary>
    public static int OwnerOf(long id, int writers) => (int)(id / 5 % writers);

    /// <summary>Makes the row that a run begins with.</summary>
    public static HistoryState Initial(long id)
        => new(
            1, $"setup-{id.ToString(CultureInfo.InvariantCulture)}", 0, $"secret of {id}", id * 1.25m, MailOf((int)(id % 40)), CodeOf((int)id), TagOf((int)(id % 20)),
            id % 11 == 0 ? null : NoteOf((int)(id % 40)), LabelOf((int)(id % 20)));

    public static string MailOf(int number) => $"mail-{number}@example.org";

    public static string CodeOf(int number) => $"code-{number}";

    public static string TagOf(int number) => $"tag-{number}";

    public static string NoteOf(int number) => $"note {number}";

    public static string LabelOf(int number) => $"label {number}";
}
