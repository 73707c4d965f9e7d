using System.Security.Cryptography;
using System.Transactions;
using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using IsolationLevel = System.Data.IsolationLevel;

namespace EfEnvelope.Kms.Local.Operations;

/// <summary>
/// The one door of every operation: opens the root key, finds the key that is named, asks access control, does the work, and appends the audit event.
/// A change and its event are one transaction; a call whose event cannot be stored fails. What is denied or fails is recorded too.
/// </summary>
internal sealed class KmsGate(KmsStore store, KmsOpener opener, IKmsAccess access, IKmsAudit audit)
{
    /// <summary>Runs what only reads, outside of any transaction. It may ask, through its subject, to be run again as a write.</summary>
    public async Task<T> ReadAsync<T>(
        KmsCall call, Func<KmsSession, RootKey, KmsSubject, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var apart = Apart();
        var subject = new KmsSubject();
        T result;
        try
        {
            RootKey root;
            var attempt = new Attempt(subject);
            var db = store.OpenReader();
            await using (db.ConfigureAwait(false))
            {
                await store.ReadHeaderAheadAsync(db, AskedFirst(call), cancellationToken).ConfigureAwait(false);
                root = await OpenAsync(call, cancellationToken, db).ConfigureAwait(false);
                try
                {
                    result = await RunAsync(db, root, call, attempt, work, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception e) when (e is not (OperationCanceledException or ObjectDisposedException))
                {
                    throw await FailedAsync(root, call, attempt, e, cancellationToken).ConfigureAwait(false);
                }
            }

            if (!subject.NeedsWrite)
                await RecordResultAsync(root, call, attempt, result, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsForeign(e))
        {
            throw StoreErrors.Map(e, store.Path);
        }

        return subject.NeedsWrite ? await WriteAsync(call, work, cancellationToken).ConfigureAwait(false) : result;
    }

    /// <summary>
    /// Begins like a read, and then hands out bit by bit. The event is recorded before: what has left cannot be taken back, when its event could not
    /// be stored or the caller cancels after the last line.
    /// </summary>
    public async Task<T> StreamAsync<TBegun, T>(
        KmsCall call,
        Func<KmsSession, KmsSubject, CancellationToken, Task<TBegun>> begin,
        Func<KmsSession, RootKey, TBegun, CancellationToken, Task<T>> stream,
        CancellationToken cancellationToken)
    {
        var (root, begun) = await ReadAsync(
            call,
            async (db, root, subject, token) => (root, await begin(db, subject, token).ConfigureAwait(false)),
            cancellationToken).ConfigureAwait(false);
        return await GuardAsync(
            store,
            async () =>
            {
                var db = store.OpenReader();
                await using (db.ConfigureAwait(false))
                    return await stream(db, root, begun, cancellationToken).ConfigureAwait(false);
            }).ConfigureAwait(false);
    }

    /// <summary>Runs what changes the store, in one transaction together with its event; again when somebody else changed the same rows first.</summary>
    public async Task<T> WriteAsync<T>(
        KmsCall call,
        Func<KmsSession, RootKey, KmsSubject, CancellationToken, Task<T>> work,
        CancellationToken cancellationToken,
        IsolationLevel isolation = IsolationLevel.Unspecified)
    {
        using var apart = Apart();
        try
        {
            var root = await OpenAsync(call, cancellationToken).ConfigureAwait(false);
            var attempt = new Attempt(new KmsSubject { CanWrite = true });
            try
            {
                return await store.WriteAsync(
                    async (db, token) =>
                    {
                        attempt = new Attempt(new KmsSubject { CanWrite = true });
                        var result = await RunAsync(db, root, call, attempt, work, token).ConfigureAwait(false);
                        await db.SaveAsync(token).ConfigureAwait(false);
                        await audit.AppendAsync(db, root, call, attempt.Subject, new KmsOutcome(attempt.Decision, null), token).ConfigureAwait(false);
                        return result;
                    },
                    cancellationToken,
                    isolation).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not (OperationCanceledException or ObjectDisposedException))
            {
                throw await FailedAsync(root, call, attempt, e, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (IsForeign(e))
        {
            throw StoreErrors.Map(e, store.Path);
        }
    }

    /// <summary>Records what was done outside of the gate, because there was nothing yet to open.</summary>
    public Task RecordDoneAsync(KmsCall call, CancellationToken cancellationToken) => GuardAsync(
        store,
        async () =>
        {
            var root = await OpenAsync(call, cancellationToken).ConfigureAwait(false);
            await RecordAsync(root, call, new Attempt(new KmsSubject()), error: null, cancellationToken).ConfigureAwait(false);
            return true;
        });

    /// <summary>Whatever happens in <paramref name="work" /> leaves as a <see cref="KmsException" />.</summary>
    public static async Task<T> GuardAsync<T>(KmsStore store, Func<Task<T>> work)
    {
        using var apart = Apart();
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception e) when (IsForeign(e))
        {
            throw StoreErrors.Map(e, store.Path);
        }
    }

    // The ambient transaction is the application's; a KMS must not be rolled back with it.
    private static TransactionScope Apart() => new(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);

    private static bool IsForeign(Exception exception) => exception is not (KmsException or OperationCanceledException or ObjectDisposedException);

    private async Task<RootKey> OpenAsync(KmsCall call, CancellationToken cancellationToken, KmsSession? db = null)
        => await opener.OpenAsync(create: false, call.IsSynchronous, cancellationToken, db).ConfigureAwait(false)
            ?? throw new KmsException(
                KmsErrorKind.NotFound,
                call is { Operation: LocalKmsOperation.Unwrap or LocalKmsOperation.Rewrap or LocalKmsOperation.Decrypt, Key: { } key }
                    ? LocalKmsMessages.NoKmsForUnwrap(store.Path, key)
                    : LocalKmsMessages.NoKms(store.Path));

    private async Task<T> RunAsync<T>(
        KmsSession db,
        RootKey root,
        KmsCall call,
        Attempt attempt,
        Func<KmsSession, RootKey, KmsSubject, CancellationToken, Task<T>> work,
        CancellationToken cancellationToken)
    {
        if (call.Key is { } reference)
            attempt.Subject.Is(await KeyLookup.FindAsync(db, root, store.Path, reference, cancellationToken).ConfigureAwait(false));
        if (attempt.Subject is { CanWrite: false, Key: { } key })
        {
            await KmsStore.ReadAheadAsync(db, [KeyLookup.AskAliases(key), KeyLookup.AskVersion(key, key.PrimaryVersion)], cancellationToken)
                .ConfigureAwait(false);
        }

        attempt.Decision = await access.AuthorizeAsync(db, root, call, attempt.Subject, cancellationToken).ConfigureAwait(false);
        return attempt.Decision.Refusal is { } refusal
            ? throw refusal
            : await work(db, root, attempt.Subject, cancellationToken).ConfigureAwait(false);
    }

    private static IEnumerable<Query> AskedFirst(KmsCall call)
        => [.. KeyLookup.AskKey(call.Key), .. AccessReader.Ask(call.Caller)];

    // Nothing was granted or changed, so the caller gets the error itself even when its event cannot be stored.
    private async Task<KmsException> FailedAsync(RootKey root, KmsCall call, Attempt attempt, Exception exception, CancellationToken cancellationToken)
    {
        var error = StoreErrors.Map(exception, store.Path);
        try
        {
            await RecordAsync(root, call, attempt, error.Kind, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return error;
        }

        return error;
    }

    // What nobody gets, because its event is not stored, is not left in memory: it may be a key.
    private async Task RecordResultAsync<T>(RootKey root, KmsCall call, Attempt attempt, T result, CancellationToken cancellationToken)
    {
        try
        {
            await RecordAsync(root, call, attempt, error: null, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            if (result is byte[] secret)
                CryptographicOperations.ZeroMemory(secret);
            throw;
        }
    }

    private Task RecordAsync(RootKey root, KmsCall call, Attempt attempt, KmsErrorKind? error, CancellationToken cancellationToken)
        => audit.RecordAsync(root, call, attempt.Subject, new KmsOutcome(attempt.Decision, error), cancellationToken);

    private sealed class Attempt(KmsSubject subject)
    {
        public KmsSubject Subject { get; } = subject;

        public KmsDecision? Decision { get; set; }
    }
}
