using System.Data.Common;
using EfEnvelope.Diagnostics;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>
/// Turns plaintext parameters into envelopes just before a command runs, after the keys have been awaited. Without it a command
/// fails, because no provider can send an <see cref="Envelope" />.
/// </summary>
internal sealed class EnvelopeInterceptor(EnvelopeSession session) : DbCommandInterceptor, IDbTransactionInterceptor
{
    public override InterceptionResult<DbDataReader> ReaderExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result)
    {
        Prepare(command, eventData, reads: true);
        return result;
    }

    public override async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        await PrepareAsync(command, eventData, reads: true, cancellationToken).ConfigureAwait(false);
        return result;
    }

    public override InterceptionResult<object> ScalarExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<object> result)
    {
        Prepare(command, eventData, reads: false);
        return result;
    }

    public override async ValueTask<InterceptionResult<object>> ScalarExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<object> result, CancellationToken cancellationToken = default)
    {
        await PrepareAsync(command, eventData, reads: false, cancellationToken).ConfigureAwait(false);
        return result;
    }

    public override InterceptionResult<int> NonQueryExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result)
    {
        Prepare(command, eventData, reads: false);
        return result;
    }

    public override async ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        await PrepareAsync(command, eventData, reads: false, cancellationToken).ConfigureAwait(false);
        return result;
    }

    public InterceptionResult<DbTransaction> TransactionStarting(
        DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result)
    {
        if (MustWarmUp())
            SyncBridge.Run(() => WarmUpAsync(connection, synchronous: true, CancellationToken.None));
        return result;
    }

    public async ValueTask<InterceptionResult<DbTransaction>> TransactionStartingAsync(
        DbConnection connection,
        TransactionStartingEventData eventData,
        InterceptionResult<DbTransaction> result,
        CancellationToken cancellationToken = default)
    {
        if (MustWarmUp())
            await WarmUpAsync(connection, synchronous: false, cancellationToken).ConfigureAwait(false);
        return result;
    }

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) => Settle();

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
        => SettleAsync();

    public void TransactionRolledBack(DbTransaction transaction, TransactionEndEventData eventData) => Settle();

    public Task TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
        => SettleAsync();

    private bool MustWarmUp() => session.ConnectStore() is { IsBorrowed: true, HasKeyStore: true };

    // SQLite has one writer: once a transaction is open, no key can be made outside of it. So the first one is made before.
    private async ValueTask WarmUpAsync(DbConnection connection, bool synchronous, CancellationToken cancellationToken)
    {
        try
        {
            // A database without the key table is about to get it in this transaction.
            var schema = session.ConnectStore().Schema;
            if (!session.HasFreshRing
                && !await StoreQuery.ExistsAsync(session.Context, connection, null, EnvelopeTables.Keys, schema, synchronous, cancellationToken).ConfigureAwait(false))
                return;
            await session.LoadWritingRingAsync(synchronous, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is EnvelopeException or DbException)
        {
            // The transaction may never touch an encrypted column. If a value is to be encrypted in it, the command says what is wrong.
        }
    }

    private void Settle()
    {
        if (FindDebtor() is not null)
            SyncBridge.Run(async () => await SettleAsync(synchronous: true).ConfigureAwait(false));
    }

    // What was encrypted in the transaction could not be counted inside it: its one writer was taken, and it could be rolled back. It has ended
    // now, which nothing here may undo: no failure, no cancellation. A debt that stays is settled next time.
    private async Task SettleAsync(bool synchronous = false)
    {
        if (FindDebtor() is not { } slot)
            return;
        try
        {
            await slot.SettleAsync(new EfKeyStore(session.ConnectStore(), synchronous), CancellationToken.None).ConfigureAwait(false);
        }
        catch (EnvelopeException)
        {
        }
    }

    private KeyRingSlot? FindDebtor()
        => session.ConnectStore() is { IsBorrowed: true, HasKeyStore: true } connection && session.FindSlot(connection) is { HasDebt: true } slot
            ? slot
            : null;

    private void Prepare(DbCommand command, CommandEventData eventData, bool reads)
    {
        try
        {
            session.CheckModel();
            Forget(command, eventData);
            if (!ParameterSealer.Seal(session, command) && reads && session.ReadsEnvelopes)
                session.LoadRing(RingUse.Read);
            if (MustCheckMap(command, eventData))
                SyncBridge.Run(() => session.CheckMapAsync(command, synchronous: true, CancellationToken.None));
        }
        catch (EnvelopeException e) when (EnvelopeTelemetry.Count(e))
        {
            throw;
        }
    }

    private async ValueTask PrepareAsync(DbCommand command, CommandEventData eventData, bool reads, CancellationToken cancellationToken)
    {
        try
        {
            session.CheckModel();
            Forget(command, eventData);
            if (!await ParameterSealer.SealAsync(session, command, cancellationToken).ConfigureAwait(false) && reads && session.ReadsEnvelopes)
                await session.LoadRingAsync(RingUse.Read, cancellationToken).ConfigureAwait(false);
            if (MustCheckMap(command, eventData))
                await session.CheckMapAsync(command, synchronous: false, cancellationToken).ConfigureAwait(false);
        }
        catch (EnvelopeException e) when (EnvelopeTelemetry.Count(e))
        {
            throw;
        }
    }

    // A migration changes no row of the application, and the map itself.
    private bool MustCheckMap(DbCommand command, CommandEventData eventData)
        => eventData.CommandSource != CommandSource.Migrations && session.MustCheckMap(command);

    // A database that was dropped and made anew has none of the keys that this process may still hold, and another encryption map.
    private void Forget(DbCommand command, CommandEventData eventData)
    {
        if (eventData.CommandSource != CommandSource.Migrations)
            return;
        if (command.CommandText.Contains(EnvelopeTables.Keys, StringComparison.Ordinal)
            && command.CommandText.Contains("CREATE TABLE", StringComparison.OrdinalIgnoreCase))
            session.ForgetRings();
        if (command.CommandText.Contains(EnvelopeTables.Map, StringComparison.Ordinal))
            MapCheck.Forget();
    }
}
