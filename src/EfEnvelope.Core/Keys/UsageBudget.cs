using EfEnvelope.Diagnostics;

namespace EfEnvelope.Keys;

/// <summary>
/// Counts the values of one column encrypted under one key version: at most 2^32 across all processes, because that many random
/// 96-bit nonces are safe under one key. Blocks are reserved from the key store ahead of use.
/// </summary>
internal sealed class UsageBudget(string field) : IDisposable
{
    public const long HardLimit = 1L << 32;
    private const long MaxBlock = 1 << 16;
    private const long MaxDebt = 1 << 24;

    private readonly KeyGate _gate = new();
    private long _available;
    private long _debt;

    /// <summary>Gets whether values were encrypted that the key store has not counted yet.</summary>
    public bool HasDebt => Volatile.Read(ref _debt) > 0;

    public bool TryTake(int count)
    {
        var available = Volatile.Read(ref _available);
        while (available >= count)
        {
            var seen = Interlocked.CompareExchange(ref _available, available - count, available);
            if (seen == available)
                return true;
            available = seen;
        }

        return false;
    }

    /// <summary>Reserves a block, settles the debt, and takes from the block.</summary>
    /// <returns>Whether so many have been reserved that the next version should be made.</returns>
    public async ValueTask<bool> ReserveAsync(
        IKeyStore store, KeyVersion version, int count, EnvelopeOptions options, CancellationToken cancellationToken)
    {
        // Whoever holds the store's only writer must not queue behind somebody who waits for that writer.
        if (store.IsInTransaction)
        {
            Owe(version, count);
            return false;
        }

        await _gate.EnterAsync(store.IsSynchronous, waits: true, endures: true, cancellationToken).ConfigureAwait(false);
        try
        {
            if (!HasDebt && TryTake(count))
                return false;
            var block = Math.Max(count, Math.Min(MaxBlock, Math.Max(1, options.RotateAfterValues / 16)));
            var debt = Volatile.Read(ref _debt);
            var total = await store.ReserveAsync(version, field, block + debt, cancellationToken).ConfigureAwait(false);
            if (total is null)
            {
                Owe(version, count);
                return false;
            }

            EnvelopeTelemetry.BudgetUsed.Record(total.Value / (double)HardLimit, new("column", field), new("key_version", version.ToString()));
            if (total > HardLimit)
                throw new KeyUnavailableException(Messages.BudgetExhausted(version, field));
            Interlocked.Add(ref _debt, -debt);
            Interlocked.Add(ref _available, block - count);
            return total >= options.RotateAfterValues;
        }
        finally
        {
            _gate.Leave();
        }
    }

    public void Dispose()
    {
    }

    // Inside a transaction that holds the store's only writer: settled when it ends.
    private void Owe(KeyVersion version, int count)
    {
        var debt = Volatile.Read(ref _debt);
        while (true)
        {
            if (debt + count > MaxDebt)
                throw new KeyUnavailableException(Messages.BudgetDebtTooLarge(version, field, MaxDebt));
            var seen = Interlocked.CompareExchange(ref _debt, debt + count, debt);
            if (seen == debt)
                return;
            debt = seen;
        }
    }
}
