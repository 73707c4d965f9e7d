using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>Seals the parameters of a command: awaits the keys, takes from the budgets, and turns plaintexts into bytes.</summary>
internal static class ParameterSealer
{
    /// <summary>Seals synchronously.</summary>
    /// <returns>Whether there was something to seal.</returns>
    public static bool Seal(EnvelopeSession session, DbCommand command)
    {
        if (PendingParameters.Find(command) is not { } pending)
            return false;
        var ring = pending.Writes
            ? SyncBridge.Run(() => session.LoadWritingRingAsync(synchronous: true, CancellationToken.None))
            : session.LoadRing(RingUse.Search);
        var (keys, budgeted) = (new RoleKeys(ring), (RoleKeys?)null);
        for (; TakeBudgets(keys, budgeted, pending) is { Count: > 0 } missing; keys = new RoleKeys(ring))
        {
            budgeted = keys;
            SyncBridge.Run(() => ReserveAsync(session, budgeted, missing, synchronous: true, CancellationToken.None));
        }

        pending.Seal(keys);
        return true;
    }

    /// <summary>Seals without ever blocking.</summary>
    /// <returns>Whether there was something to seal.</returns>
    public static async ValueTask<bool> SealAsync(EnvelopeSession session, DbCommand command, CancellationToken cancellationToken)
    {
        if (PendingParameters.Find(command) is not { } pending)
            return false;
        var ring = pending.Writes
            ? await session.LoadWritingRingAsync(synchronous: false, cancellationToken).ConfigureAwait(false)
            : await session.LoadRingAsync(RingUse.Search, cancellationToken).ConfigureAwait(false);
        var (keys, budgeted) = (new RoleKeys(ring), (RoleKeys?)null);
        for (; TakeBudgets(keys, budgeted, pending) is { Count: > 0 } missing; keys = new RoleKeys(ring))
        {
            budgeted = keys;
            await ReserveAsync(session, budgeted, missing, synchronous: false, cancellationToken).ConfigureAwait(false);
        }

        pending.Seal(keys);
        return true;
    }

    // Takes what the budgets in memory allow; returns the columns that need more from the key store. While that was waited for, the time of another version
    // may have come, whose budget is another one; if not, everything has been taken.
    private static List<(FieldContext Field, int Count)> TakeBudgets(RoleKeys keys, RoleKeys? budgeted, PendingParameters pending)
    {
        if (budgeted is not null && ReferenceEquals(budgeted.Find(KeyRole.Primary), keys.Find(KeyRole.Primary)))
            return [];

        // Most commands write few columns: count in a small list instead of a dictionary.
        var counts = new List<(FieldContext Field, int Count)>();
        foreach (var envelope in pending.Envelopes)
        {
            if (envelope.BudgetField is not { } field)
                continue;
            var at = 0;
            while (at < counts.Count && !ReferenceEquals(counts[at].Field, field))
                at++;
            if (at == counts.Count)
                counts.Add((field, 1));
            else
                counts[at] = (field, counts[at].Count + 1);
        }

        if (counts.Count > 0)
        {
            var key = keys.Find(KeyRole.Primary)!;
            counts.RemoveAll(c => c.Field.GetBudget(key).TryTake(c.Count));
        }

        return counts;
    }

    private static async ValueTask ReserveAsync(
        EnvelopeSession session, RoleKeys keys, List<(FieldContext Field, int Count)> missing, bool synchronous, CancellationToken cancellationToken)
    {
        var (connection, key) = (session.ConnectStore(), keys.Find(KeyRole.Primary)!);
        var slot = session.FindSlot(connection);
        foreach (var (field, count) in missing)
            await slot.TakeBudgetAsync(new EfKeyStore(connection, synchronous), key, field.GetBudget(key), count, cancellationToken).ConfigureAwait(false);
    }
}
