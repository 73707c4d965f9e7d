using System.Transactions;

namespace EfEnvelope.Kms.Local;

public sealed class ConcurrencyTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Sixteen_first_openers_of_a_new_file_end_with_one_key()
    {
        var key = TestKms.NewKey();
        var wrappers = Enumerable.Range(0, 16).Select(_ => _test.OpenConfigured()).ToArray();
        using var start = new Barrier(wrappers.Length);

        var wrapped = await Task.WhenAll(wrappers.Select(wrapper => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait(TestKms.Cancellation);
                return wrapper.WrapAsync(key, TestKms.Context, TestKms.Cancellation).AsTask();
            },
            TestKms.Cancellation,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default).Unwrap()));

        using var kms = _test.Open();
        var kek = Assert.Single(await kms.ListKeysAsync(TestKms.Cancellation));
        Assert.Single(kek.Versions);
        foreach (var copy in wrapped)
            Assert.Equal(key, await kms.UnwrapAsync(copy, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Second_creator_that_waits_for_the_first_takes_what_the_first_made()
    {
        var key = TestKms.NewKey();
        Task<WrappedKeyCopy>? second = null;
        var seal = new CountingSeal();
        seal.Deriving = () =>
        {
            // The first holds the lock now and has made nothing yet; the second finds nothing and waits for the lock.
            seal.Deriving = null;
            second = Task.Run(() => _test.OpenConfigured(seal).WrapAsync(key, TestKms.Context, TestKms.Cancellation).AsTask());
            Thread.Sleep(1000);
            Assert.False(second.IsCompleted);
        };

        var first = await _test.OpenConfigured(seal).WrapAsync(key, TestKms.Context, TestKms.Cancellation);

        using var kms = _test.Open(seal);
        Assert.Equal(key, await kms.UnwrapAsync(first, TestKms.Context, TestKms.Cancellation));
        Assert.Equal(key, await kms.UnwrapAsync(await second!, TestKms.Context, TestKms.Cancellation));
        Assert.Single(Assert.Single(await kms.ListKeysAsync(TestKms.Cancellation)).Versions);
    }

    [Fact]
    public async Task Seal_is_derived_once_for_all_first_callers()
    {
        var seal = new CountingSeal();
        using (await _test.CreateAsync(seal))
        {
        }

        Assert.Equal(1, seal.Derived);
        using var kms = _test.Open(seal);
        Assert.Equal(1, seal.Derived);
        await Task.WhenAll(Enumerable.Range(0, 16).Select(
            _ => Task.Run(() => kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation))));

        Assert.Equal(2, seal.Derived);
    }

    [Fact]
    public async Task Failed_opening_is_tried_anew_and_a_good_one_is_kept()
    {
        var seal = new CountingSeal();
        using (await _test.CreateAsync(seal))
        {
        }

        using var kms = _test.Open(seal);
        seal.Failing = true;
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => kms.OpenAsync(TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => kms.OpenAsync(TestKms.Cancellation));
        Assert.Equal(3, seal.Derived);

        seal.Failing = false;
        await kms.OpenAsync(TestKms.Cancellation);
        await kms.OpenAsync(TestKms.Cancellation);
        Assert.Equal(4, seal.Derived);
    }

    [Fact]
    public async Task Concurrent_rotations_give_distinct_versions()
    {
        using var first = await _test.CreateAsync();
        using var second = _test.Open();

        var rotated = await Task.WhenAll(Enumerable.Range(0, 10).Select(
            i => Task.Run(() => (i % 2 == 0 ? first : second).RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation))));

        Assert.Equal(Enumerable.Range(2, 10), rotated.Select(k => k.PrimaryVersion).Order());
        var key = await first.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        Assert.Equal(11, key.PrimaryVersion);
        Assert.Equal(Enumerable.Range(1, 11), key.Versions.Select(v => v.Version));
    }

    [Fact]
    public async Task Parallel_wrapping_and_unwrapping_beside_rotations_never_mixes_keys()
    {
        using var kms = await _test.CreateAsync();

        var work = Enumerable.Range(0, 8).Select(i => Task.Run(async () =>
        {
            for (var n = 0; n < 20; n++)
            {
                var key = TestKms.NewKey();
                var context = new EncryptionContext([new("n", $"{i}/{n}")]);
                var wrapped = await kms.WrapAsync(TestKms.KeyName, key, context, TestKms.Cancellation);
                if (i == 0 && n % 5 == 0)
                    await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
                Assert.Equal(key, await kms.UnwrapAsync(wrapped, context, TestKms.Cancellation));
            }
        }));
        await Task.WhenAll(work);

        Assert.Equal(5, (await kms.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation)).PrimaryVersion);
    }

    [Fact]
    public async Task While_another_holds_the_file_nothing_is_done_because_nothing_could_be_recorded()
    {
        WrappedKeyCopy wrapped;
        using (var made = await _test.CreateAsync())
            wrapped = await made.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        using var kms = new LocalKms(_test.ConnectionString + ";Default Timeout=1", TestKms.QuickSeal());
        await using var other = await SqliteFile.OpenAsync(_test.File);
        await using var transaction = other.BeginTransaction();

        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.Unavailable, () => kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation));
        Assert.True(exception.IsTransient);
        await TestKms.ThrowsAsync(KmsErrorKind.Unavailable, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        await transaction.RollbackAsync(TestKms.Cancellation);
        await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation);
        Assert.Equal(2, (await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation)).PrimaryVersion);
    }

    [Fact]
    public async Task KMS_stays_apart_from_the_transaction_of_the_application()
    {
        using var wrapper = (IDisposable)_test.OpenConfigured();
        WrappedKeyCopy wrapped;
        var key = TestKms.NewKey();
        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
            wrapped = await ((IKeyWrapper)wrapper).WrapAsync(key, TestKms.Context, TestKms.Cancellation);

        using var kms = _test.Open();
        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Cancelled_call_is_cancelled()
    {
        using var kms = await _test.CreateAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, new CancellationToken(canceled: true)));
    }

    private sealed class CountingSeal : LocalKmsSeal
    {
        private int _derived;

        public int Derived => _derived;

        public bool Failing { get; set; }

        public Action? Deriving { get; set; }

        internal override string Kind => "counting";

        internal override ValueTask<string> NewParametersAsync(bool synchronous, CancellationToken cancellationToken) => new("{}");

        internal override ValueTask<bool> TryDeriveKeyAsync(
            string parameters, string store, Memory<byte> key, bool synchronous, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _derived);
            Deriving?.Invoke();
            key.Span.Fill(Failing ? (byte)8 : (byte)7);
            return new(true);
        }

        internal override KmsException DoesNotOpen(string store) => new(KmsErrorKind.Unauthenticated, store);
    }
}
