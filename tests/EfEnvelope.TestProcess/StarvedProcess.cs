using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace EfEnvelope.TestProcess;

/// <summary>
/// An application whose pool has two threads at first, all of which are callers that wait for keys. On SQLite it never gets more; .NET's sockets may need
/// one themselves, so that on a server the driver alone would not get through: EfEnvelope.TestProcess starved &lt;provider&gt;
/// &lt;connection string&gt; &lt;folder of an embedded KMS, or KEK file&gt; &lt;write | read&gt; &lt;callers&gt; [warm]. Says how many succeeded, and then why one failed.
/// </summary>
internal static class StarvedProcess
{
    public static async Task RunAsync(string[] args)
    {
        var (provider, connectionString, kms, writes, callers) = (args[1], args[2], args[3], args[4] == "write", int.Parse(args[5]));
        void Configure(DbContextOptionsBuilder builder)
        {
            Providers.Use(builder, provider, connectionString);
            builder.UseEnvelopeEncryption(
                e => _ = Directory.Exists(kms)
                    ? e.UseLocalKms($"Data Source={Path.Combine(kms, "kms.db")}", LocalKmsSeal.KeyFile(Path.Combine(kms, "seal.key")))
                    : e.UseKms(("network", kms), _ => new NetworkKms(new FileKms(kms))));
        }

        await using var services = new ServiceCollection().AddDbContext<WriterContext>(Configure).AddEnvelopeWarmUp<WriterContext>().BuildServiceProvider();
        if (args.Contains("warm"))
        {
            foreach (var service in services.GetServices<IHostedService>())
                await service.StartAsync(CancellationToken.None);
        }

        // Its own thread is not one of the pool's.
        var thread = new Thread(() => RunCallers(services, writes, callers, isFixed: provider == Providers.Sqlite));
        thread.Start();
        thread.Join();
    }

    /// <summary>A KMS that is asked over the network, and knows of synchronous calls no more than an adapter of the application's own.</summary>
    private sealed class NetworkKms(IKeyWrapper inner) : IKeyWrapper
    {
        public KekUri Kek => inner.Kek;

        public async ValueTask<WrappedKeyCopy> WrapAsync(
            ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        {
            await Task.Delay(1, cancellationToken);
            return await inner.WrapAsync(key, context, cancellationToken);
        }

        public async ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        {
            await Task.Delay(1, cancellationToken);
            return await inner.UnwrapAsync(wrapped, context, cancellationToken);
        }
    }

    private static void RunCallers(IServiceProvider services, bool writes, int callers, bool isFixed)
    {
        ThreadPool.SetMinThreads(2, 2);
        if (isFixed && !ThreadPool.SetMaxThreads(2, 2))
            throw new InvalidOperationException("The pool has more than two threads on this machine.");
        var (succeeded, failure, all) = (0, "", new CountdownEvent(callers));
        for (var i = 0; i < callers; i++)
        {
            var number = i;
            ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    try
                    {
                        Call(services, writes, number);
                        Interlocked.Increment(ref succeeded);
                    }
                    catch (Exception e)
                    {
                        failure = e.ToString();
                    }

                    all.Signal();
                },
                null);
        }

        all.Wait(TimeSpan.FromMinutes(8));
        Console.WriteLine($"succeeded {succeeded} of {callers}");
        Console.WriteLine(failure);
    }

    private static void Call(IServiceProvider services, bool writes, int number)
    {
        using var scope = services.CreateScope();
        var context = scope.ServiceProvider.GetRequiredService<WriterContext>();
        if (writes)
        {
            context.Add(new WrittenRow { Writer = "starved", Number = number, Secret = WrittenRow.SecretOf("starved", number) });
            context.SaveChanges();
            return;
        }

        var row = context.Rows.AsNoTracking().OrderBy(r => r.Id).First();
        if (row.Secret != WrittenRow.SecretOf(row.Writer, row.Number))
            throw new InvalidOperationException("It does not read what was written.");
    }
}
