using System.Collections.Concurrent;
using System.Diagnostics;
using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// An application with 200 requests at a time while its KMS is slow, then failing, then back. It is real time that passes here, as it does for the threads
/// of the application.
/// </summary>
public abstract class OutageDrillSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private const int Requests = 200;
    private const int Rows = 50;
    private const int Kinds = 20;

    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(10);

    private readonly ConcurrentQueue<Exception> _failures = new();
    private int _completed;
    private int _written;

    /// <summary>Gets how many requests write at a time: an application queues them where its database has one writer, which would block threads.</summary>
    protected virtual int Writers => Requests;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var context = await Start().CreateDbContextAsync();
        await context.Database.EnsureCreatedAsync();
        context.AddRange(Enumerable.Range(1, Rows).Select(number => new Visit { Number = number, Text = $"visit {number}" }));
        await context.SaveChangesAsync();
    }

    [Theory]
    [InlineData(20)]
    [InlineData(-1)]
    public async Task No_request_fails_and_no_thread_waits_while_the_KMS_is_slow_then_failing_then_back(int secondsToAnswer)
    {
        var contexts = Start();
        await RequestAsync(contexts, 0, new SemaphoreSlim(1));
        using var end = new CancellationTokenSource();
        using var probe = new ThreadPoolProbe();
        var requests = RunRequestsAsync(contexts, end.Token);
        var (whileSlow, served, slow) = (0, 0, TimeSpan.Zero);
        try
        {
            await CompleteAsync(3 * Requests);

            await ChangeKmsAsync(
                null, secondsToAnswer < 0 ? () => new TaskCompletionSource().Task : () => Task.Delay(TimeSpan.FromSeconds(secondsToAnswer)));
            var clock = Stopwatch.StartNew();
            (whileSlow, served) = (-_completed, -probe.Served);
            await Task.Delay(TimeSpan.FromSeconds(6));
            await CompleteAsync(-whileSlow + (2 * Requests) - _completed);
            (whileSlow, served, slow) = (whileSlow + _completed, served + probe.Served, clock.Elapsed);

            await ChangeKmsAsync(KmsErrorKind.Unavailable, () => Task.CompletedTask);
            await CompleteAsync(2 * Requests);

            await ChangeKmsAsync(null, () => Task.CompletedTask);
            await CompleteAsync(2 * Requests);
        }
        finally
        {
            await end.CancelAsync();
            await requests.WaitAsync(Hang);
        }

        Assert.Equal([], _failures.Select(e => e.ToString()).Take(3));
        Assert.True(whileSlow >= 2 * Requests, $"{whileSlow} requests were completed in {slow} by {probe.MostThreads} threads.");

        // A pool whose threads all wait serves next to nothing, however long that lasts; a busy machine serves a part.
        Assert.True(served >= slow / ThreadPoolProbe.Interval / 50, $"The thread pool served {served} items in {slow}.");
        Assert.InRange(probe.MostThreads, 1, 150);
        await using var cold = await Start().CreateDbContextAsync();
        Assert.Equal(Rows + _written, (await cold.Visits.ToListAsync()).Count(v => v.Text == (v.Number > 0 ? $"visit {v.Number}" : "written")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Requests_fail_in_time_and_say_so_when_the_stated_time_is_over_and_work_when_the_KMS_is_back(bool answers)
    {
        var contexts = Start(refreshInterval: 2, staleIfErrorFor: 1, kmsTimeout: 1.2);
        await RequestAsync(contexts, 0, new SemaphoreSlim(1));
        BreakKms(answers);

        await UntilAsync(async () => await FailsAsync(contexts));
        await AssertAllUnavailableAsync(contexts);

        await MendAsync(contexts);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Process_that_starts_during_the_outage_fails_in_time_and_says_so_and_works_when_the_KMS_is_back(bool answers)
    {
        BreakKms(answers);
        var contexts = Start(kmsTimeout: 1.2);

        await AssertAllUnavailableAsync(contexts);

        await MendAsync(contexts);
    }

    // And waits until the application has noticed.
    private Task ChangeKmsAsync(KmsErrorKind? failure, Func<Task> before)
    {
        (Kms.Failure, Kms.Before) = (failure, before);
        var asked = Kms.Unwraps;
        return UntilAsync(() => Kms.Unwraps > asked);
    }

    private void BreakKms(bool answers)
    {
        if (answers)
            Kms.Failure = KmsErrorKind.Unavailable;
        else
            Kms.Before = () => new TaskCompletionSource().Task;
    }

    private async Task MendAsync(PooledDbContextFactory<VisitContext> contexts)
    {
        Kms.Failure = null;
        Kms.Before = () => Task.CompletedTask;
        await UntilAsync(async () => !await FailsAsync(contexts));
        using var writers = new SemaphoreSlim(Writers);
        await Task.WhenAll(Enumerable.Range(0, Requests).Select(number => RequestAsync(contexts, number, writers))).WaitAsync(Hang);
    }

    private async Task AssertAllUnavailableAsync(PooledDbContextFactory<VisitContext> contexts)
    {
        using var writers = new SemaphoreSlim(Writers);
        var failures = await Task.WhenAll(
            Enumerable.Range(0, Requests).Select(number => Record.ExceptionAsync(() => RequestAsync(contexts, number, writers)).AsTask())).WaitAsync(Hang);
        Assert.All(failures, e => Assert.IsType<KeyUnavailableException>(e is DbUpdateException ? e.InnerException : e));
    }

    private static async Task<bool> FailsAsync(PooledDbContextFactory<VisitContext> contexts)
    {
        await using var context = await contexts.CreateDbContextAsync();
        return await Record.ExceptionAsync(() => context.Visits.FirstAsync()).AsTask().WaitAsync(Hang) is not null;
    }

    // Each is a request of its own with a context out of the pool, and is followed by the next one of its kind at once.
    private Task RunRequestsAsync(PooledDbContextFactory<VisitContext> contexts, CancellationToken end)
    {
        var writers = new SemaphoreSlim(Writers);
        return Task.WhenAll(
            Enumerable.Range(0, Requests).Select(
                first => Task.Run(
                    async () =>
                    {
                        for (var number = first; !end.IsCancellationRequested; number += Kinds)
                        {
                            try
                            {
                                await RequestAsync(contexts, number, writers);
                                Interlocked.Increment(ref _completed);
                            }
                            catch (Exception e)
                            {
                                _failures.Enqueue(e);
                            }
                        }
                    },
                    CancellationToken.None)));
    }

    // One in ten is synchronous, as it is in an application that is half way to being asynchronous, and three in ten write.
    private async Task RequestAsync(PooledDbContextFactory<VisitContext> contexts, int number, SemaphoreSlim writers)
    {
        var (visit, kind) = ((number % Rows) + 1, number % Kinds);
        if (kind < 6)
            await writers.WaitAsync();
        try
        {
            await using var context = await contexts.CreateDbContextAsync();
            switch (kind)
            {
                case 0:
                    context.Add(new Visit { Text = "written" });
                    context.SaveChanges();
                    Interlocked.Increment(ref _written);
                    break;
                case < 6:
                    context.Add(new Visit { Text = "written" });
                    await context.SaveChangesAsync();
                    Interlocked.Increment(ref _written);
                    break;
                case 6:
                    Assert.Equal($"visit {visit}", context.Visits.Single(v => v.Number == visit).Text);
                    break;
                default:
                    Assert.Equal($"visit {visit}", (await context.Visits.SingleAsync(v => v.Number == visit)).Text);
                    break;
            }
        }
        finally
        {
            if (kind < 6)
                writers.Release();
        }
    }

    private Task CompleteAsync(int more)
    {
        var goal = _completed + more;
        return UntilAsync(() => _completed >= goal);
    }

    private static Task UntilAsync(Func<bool> reached) => UntilAsync(() => Task.FromResult(reached()));

    private static async Task UntilAsync(Func<Task<bool>> reached)
    {
        for (var clock = Stopwatch.StartNew(); !await reached(); await Task.Delay(50))
            Assert.True(clock.Elapsed < Hang, "It did not happen within ten minutes.");
    }

    // A clock is given so that each has a cache of keys of its own, as another process has.
    private PooledDbContextFactory<VisitContext> Start(double refreshInterval = 1, double staleIfErrorFor = 3600, double kmsTimeout = 3)
        => new(
            Options<VisitContext>(
                e => e.UseTimeProvider(new RealTime()).Configure(
                    o => o with
                    {
                        RefreshInterval = TimeSpan.FromSeconds(refreshInterval),
                        StaleIfErrorFor = TimeSpan.FromSeconds(staleIfErrorFor),
                        RetryInterval = TimeSpan.FromMilliseconds(200),
                        NegativeCacheTime = TimeSpan.FromMilliseconds(500),
                        KmsTimeout = TimeSpan.FromSeconds(kmsTimeout),
                    })),
            Requests);

    public sealed class VisitContext(DbContextOptions<VisitContext> options) : DbContext(options)
    {
        public DbSet<Visit> Visits => Set<Visit>();
    }

    [Index(nameof(Number))]
    public sealed class Visit
    {
        public int Id { get; set; }

        public int Number { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }

    private sealed class RealTime : TimeProvider;

    /// <summary>Queues a small item all the time, and tells how many were served by how many threads at the most.</summary>
    private sealed class ThreadPoolProbe : IDisposable
    {
        public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

        private readonly Timer _timer;
        private int _served;
        private int _mostThreads;

        public ThreadPoolProbe()
            => _timer = new Timer(
                _ => ThreadPool.QueueUserWorkItem(
                    _ =>
                    {
                        Interlocked.Increment(ref _served);
                        _mostThreads = Math.Max(_mostThreads, ThreadPool.ThreadCount);
                    }),
                null,
                TimeSpan.Zero,
                Interval);

        public int Served => _served;

        public int MostThreads => _mostThreads;

        public void Dispose() => _timer.Dispose();
    }
}
