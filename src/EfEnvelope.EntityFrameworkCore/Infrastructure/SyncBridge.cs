namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

// The one place where a synchronous call waits for keys: on a cold or outdated ring only. The work runs on the waiting thread itself, as far as
// nothing in it waits: a key store told to be synchronous, and a KMS that is, need no thread of a pool that may be full of callers waiting like this one. It sees no
// synchronization context or scheduler, so that nothing it awaits can need the thread that waits.
internal static class SyncBridge
{
    public static T Run<T>(Func<ValueTask<T>> work)
    {
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            return work().AsTask().GetAwaiter().GetResult();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    public static void Run(Func<ValueTask> work)
        => Run(
            async () =>
            {
                await work().ConfigureAwait(false);
                return true;
            });
}
