using EfEnvelope.Specification.History;
using EfEnvelope.Specification.TestUtilities;

namespace EfEnvelope.Functional.History;

/// <summary>
/// The processes of a history. They live through many runs, each on a database of its own, because starting them costs more than a small run; only those
/// that are killed are started anew.
/// </summary>
public sealed class HistoryCrew : IAsyncDisposable
{
    private const long NewRowsPerProcess = 100_000;

    private readonly List<HistoryMember> _members = [];
    private readonly string _kmsFile = FileKms.CreateFile();
    private int _started;

    public HistoryCrew() => Kms = new FileKms(_kmsFile);

    /// <summary>Gets the KMS that all processes share, this one included.</summary>
    public FileKms Kms { get; }

    public IReadOnlyList<HistoryMember> Of(string role) => [.. _members.Where(m => m.Role == role).OrderBy(m => m.Index)];

    /// <summary>Starts what is missing.</summary>
    public async Task HireAsync(int writers, int readers, int workers)
    {
        var missing = from wanted in new[] { ("writer", writers), ("reader", readers), ("worker", workers) }
                      from index in Enumerable.Range(0, wanted.Item2)
                      where !_members.Exists(m => m.Role == wanted.Item1 && m.Index == index)
                      select HistoryMember.StartAsync(wanted.Item1, index, _kmsFile);
        _members.AddRange(await Task.WhenAll(missing));
    }

    /// <summary>Tells members to take part in a run.</summary>
    public void Begin(IEnumerable<HistoryMember> members, HistoryRun run, string folder)
    {
        foreach (var member in members)
            member.Begin(Personal(run, member, folder));
    }

    /// <summary>Kills one member without any warning, and starts another in its place, which goes on with the run.</summary>
    public async Task ReplaceAsync(HistoryMember member, HistoryRun run, string folder)
    {
        await member.KillAsync();
        var next = await HistoryMember.StartAsync(member.Role, member.Index, _kmsFile);
        lock (_members)
            _members[_members.IndexOf(member)] = next;
        member.Dispose();
        next.Begin(Personal(run, next, folder));
    }

    public static Task StopAsync(IEnumerable<HistoryMember> members) => Task.WhenAll(members.Select(m => m.StopAsync()));

    /// <summary>Kills all, after a run that failed: nobody knows what they do.</summary>
    public async Task DismissAsync()
    {
        foreach (var member in _members)
        {
            await member.KillAsync();
            member.Dispose();
        }

        _members.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await DismissAsync();
        File.Delete(_kmsFile);
    }

    // Each process has a log, a name and new keys that no other has, also if it takes the place of one that was killed.
    private HistoryRun Personal(HistoryRun run, HistoryMember member, string folder)
    {
        var number = Interlocked.Increment(ref _started);
        var name = $"{member.Role}{member.Index}.{number}";
        return run with
        {
            Name = name, Index = member.Index, LogFile = Path.Combine(folder, $"{name}.log"), NewRowsFrom = (number + 1) * NewRowsPerProcess,
        };
    }
}
