using System.Collections.Concurrent;

namespace EfEnvelope.Kms;

/// <summary>What is asked of a service.</summary>
internal enum KmsOperation
{
    Wrap,
    Unwrap,
    Rewrap,
    Describe,
}

/// <summary>Counts requests to KMSes, until somebody takes the counts to where they are kept.</summary>
internal sealed class KmsUsage
{
    private readonly ConcurrentDictionary<(KekUri Kek, KmsOperation Operation), long> _counts = new();

    public void Add(KekUri kek, KmsOperation operation, long requests = 1)
        => _counts.AddOrUpdate((kek, operation), requests, (_, count) => count + requests);

    /// <summary>Takes the counts away. Who cannot keep them adds them again.</summary>
    public IReadOnlyList<(KekUri Kek, KmsOperation Operation, long Requests)> Take()
    {
        var taken = new List<(KekUri, KmsOperation, long)>();
        foreach (var key in _counts.Keys)
        {
            if (_counts.TryRemove(key, out var count))
                taken.Add((key.Kek, key.Operation, count));
        }

        return taken;
    }
}
