using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;

namespace EfEnvelope.Tests;

/// <summary>One data key under several KEKs.</summary>
public class KeyWrappingTests
{
    private readonly TestKms _one = new("one");
    private readonly TestKms _two = new("two");
    private readonly EncryptionContext _context = new(new KeyValuePair<string, string>("scope", "clinic"));
    private readonly TimeSpan _timeout = new EnvelopeOptions().KmsTimeout;
    private readonly byte[] _key = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();

    [Fact]
    public async Task Key_is_wrapped_under_every_kek_in_order()
    {
        var wrapped = await Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None);

        Assert.Equal(["test:one", "test:two"], wrapped.Copies.Select(c => c.Kek.ToString()));
    }

    [Theory]
    [InlineData(KmsErrorKind.Unavailable)]
    [InlineData(KmsErrorKind.Timeout)]
    [InlineData(KmsErrorKind.Throttled)]
    public async Task Outage_of_the_first_kms_is_answered_by_the_second_copy(KmsErrorKind kind)
    {
        var wrapped = await Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None);
        _one.Failure = kind;

        Assert.Equal(_key, await Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None));
        Assert.Equal((1, 1), (_one.Unwraps, _two.Unwraps));
    }

    [Theory]
    [InlineData(KmsErrorKind.AccessDenied)]
    [InlineData(KmsErrorKind.Disabled)]
    [InlineData(KmsErrorKind.InvalidCiphertext)]
    [InlineData(KmsErrorKind.NotFound)]
    public async Task Refusal_of_the_first_kms_is_not_papered_over_by_the_second_copy(KmsErrorKind kind)
    {
        var wrapped = await Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None);
        _one.Failure = kind;

        var e = await Assert.ThrowsAsync<KmsException>(() => Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None).AsTask());
        Assert.Equal(kind, e.Kind);
        Assert.Equal(0, _two.Unwraps);
    }

    [Fact]
    public async Task Outage_of_all_is_an_outage()
    {
        var wrapped = await Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None);
        (_one.Failure, _two.Failure) = (KmsErrorKind.Timeout, KmsErrorKind.Unavailable);

        var e = await Assert.ThrowsAsync<KmsException>(() => Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None).AsTask());
        Assert.True(e.IsTransient);
    }

    [Theory]
    [InlineData(KmsErrorKind.WrongKey)]
    [InlineData(KmsErrorKind.NotFound)]
    [InlineData(KmsErrorKind.NotFoundOrDenied)]
    public async Task Copy_under_a_former_kek_of_the_second_service_is_found_there_when_the_first_does_not_know_it(KmsErrorKind unknown)
    {
        // 'test:former' was a KEK of the second service; the first, of the same kind, has never heard of it.
        var former = await _two.WrapAsync(_key, _context);
        var wrapped = new WrappedKey(former with { Kek = new KekUri("test:former") });
        _one.Failure = unknown;

        Assert.Equal(_key, await Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None));
    }

    [Fact]
    public async Task Outage_stays_one_when_nobody_else_knows_the_other_copy()
    {
        var first = new KekUri("test:one");
        var wrapped = new WrappedKey(new WrappedKeyCopy(first, null, new byte[] { 1 }), new WrappedKeyCopy(new KekUri("test:former"), null, new byte[] { 1 }));
        _one.Failure = KmsErrorKind.Unavailable;
        _two.Failure = KmsErrorKind.WrongKey;

        var e = await Assert.ThrowsAsync<KmsException>(() => Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None).AsTask());
        Assert.Equal(KmsErrorKind.Unavailable, e.Kind);
    }

    [Fact]
    public async Task Refusal_of_a_former_kek_is_told_when_no_service_opens_it()
    {
        var wrapped = new WrappedKey(new WrappedKeyCopy(new KekUri("test:former"), null, new byte[] { 1 }));
        (_one.Failure, _two.Failure) = (KmsErrorKind.NotFound, KmsErrorKind.WrongKey);

        var e = await Assert.ThrowsAsync<KmsException>(() => Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None).AsTask());
        Assert.Equal(KmsErrorKind.NotFound, e.Kind);
    }

    [Fact]
    public async Task Key_under_a_kms_that_is_not_configured_names_both()
    {
        var wrapped = new WrappedKey(new WrappedKeyCopy(new KekUri("elsewhere:k"), null, new byte[] { 1 }));

        var e = await Assert.ThrowsAsync<KmsException>(() => Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None).AsTask());
        Assert.Equal(KmsErrorKind.WrongKey, e.Kind);
        Assert.Contains("'elsewhere:k'", e.Message, StringComparison.Ordinal);
        Assert.Contains("'test:one', 'test:two'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_wrapped_when_one_kms_fails()
    {
        _two.Failure = KmsErrorKind.Unavailable;

        await Assert.ThrowsAsync<KmsException>(() => Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None).AsTask());
    }

    [Fact]
    public async Task Exception_that_a_wrapper_must_not_throw_names_the_kek_and_is_kept()
    {
        var wrapped = await Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None);
        var cause = new InvalidOperationException("A bug in a wrapper.");
        _one.Before = () => throw cause;

        foreach (var call in new Func<Task>[]
            {
                () => Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None).AsTask(),
                () => Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None).AsTask(),
            })
        {
            var e = await Assert.ThrowsAsync<KmsException>(call);
            Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
            Assert.Contains("'test:one'", e.Message, StringComparison.Ordinal);
            Assert.Same(cause, e.InnerException);
        }
    }

    public static TheoryData<Exception> OwnTimeouts
        => [new TaskCanceledException("The request was canceled.", new TimeoutException()), new OperationCanceledException(), new TimeoutException()];

    [Theory]
    [MemberData(nameof(OwnTimeouts), DisableDiscoveryEnumeration = true)]
    public async Task Wrapper_that_gives_up_by_a_time_out_of_its_own_is_an_outage(Exception cause)
    {
        var wrapped = await Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None);
        _one.Before = () => throw cause;
        var alone = new KeyWrapping([_one], _timeout);
        using var caller = new CancellationTokenSource();

        foreach (var call in new Func<Task>[]
            {
                () => alone.WrapAsync(_key, _context, synchronous: false, caller.Token).AsTask(),
                () => alone.UnwrapAsync(wrapped, _context, synchronous: false, caller.Token).AsTask(),
                () => alone.RewrapAsync(wrapped, _key, _context, CancellationToken.None).AsTask(),
                () => new KeyWrapping([new Undescribed(cause)], _timeout).DescribeAsync(new Undescribed(cause), CancellationToken.None).AsTask(),
            })
        {
            var e = await Assert.ThrowsAsync<KmsException>(call);
            Assert.Equal((KmsErrorKind.Timeout, true), (e.Kind, e.IsTransient));
            Assert.Contains("'test:one'", e.Message, StringComparison.Ordinal);
            Assert.Same(cause, e.InnerException);
        }

        Assert.Equal(_key, await Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None));
        await caller.CancelAsync();
        Assert.Equal(
            caller.Token, (await Assert.ThrowsAsync<OperationCanceledException>(() => alone.WrapAsync(_key, _context, synchronous: false, caller.Token).AsTask())).CancellationToken);
    }

    [Fact]
    public void Two_services_that_name_their_key_alike_are_refused()
    {
        var e = Assert.Throws<EnvelopeConfigurationException>(() => new KeyWrapping([_one, _two, new TestKms("one")], _timeout));

        Assert.Contains("'test:one'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kms_that_never_answers_is_answered_by_the_second_copy_and_is_an_outage_when_there_is_none()
    {
        var wrapped = await Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None);
        _one.Before = () => new TaskCompletionSource().Task;
        var impatient = TimeSpan.FromMilliseconds(100);

        Assert.Equal(_key, await new KeyWrapping([_one, _two], impatient).UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None));
        var e = await Assert.ThrowsAsync<KmsException>(
            () => new KeyWrapping([_one], impatient).UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None).AsTask());

        Assert.Equal((KmsErrorKind.Timeout, true), (e.Kind, e.IsTransient));
        Assert.Contains("'test:one'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Time_limit_does_not_count_what_this_process_computes_itself()
    {
        var wrapped = await Wrapping().WrapAsync(_key, _context, synchronous: false, CancellationToken.None);
        _one.Before = () => Task.Delay(200);
        var impatient = TimeSpan.FromMilliseconds(1);
        ValueTask<byte[]> UnwrapAsync(bool isInProcess)
            => new KeyWrapping([new Slow(_one, isInProcess)], impatient).UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None);

        Assert.Equal(_key, await UnwrapAsync(isInProcess: true));
        Assert.Equal(KmsErrorKind.Timeout, (await Assert.ThrowsAsync<KmsException>(() => UnwrapAsync(isInProcess: false).AsTask())).Kind);
    }

    [Fact]
    public async Task Caller_whose_thread_waits_is_served_by_a_kms_that_has_asynchronous_calls_only()
    {
        _one.Before = () => Task.Delay(20);
        var wrapped = Ended(Wrapping().WrapAsync(_key, _context, synchronous: true, CancellationToken.None));

        Assert.Equal(_key, Ended(Wrapping().UnwrapAsync(wrapped, _context, synchronous: true, CancellationToken.None)));
        Assert.Equal(_key, await Wrapping().UnwrapAsync(wrapped, _context, synchronous: false, CancellationToken.None));
    }

    [Fact]
    public async Task Caller_that_gives_up_waits_for_no_kms()
    {
        _one.Before = () => new TaskCompletionSource().Task;
        using var caller = new CancellationTokenSource();
        var wrapping = Wrapping().WrapAsync(_key, _context, synchronous: false, caller.Token).AsTask();

        await caller.CancelAsync();

        Assert.Equal(caller.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wrapping)).CancellationToken);
    }

    private KeyWrapping Wrapping() => new([_one, _two], _timeout);

    private sealed class Undescribed(Exception cause) : IKeyWrapper
    {
        public KekUri Kek { get; } = new("test:one");

        public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default) => throw cause;

        public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default) => throw cause;

        public ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default) => throw cause;
    }

    // What is done while the caller's thread waits has ended when it returns.
    private static T Ended<T>(ValueTask<T> call)
    {
        Assert.True(call.IsCompletedSuccessfully);
        return call.Result;
    }

    private sealed class Slow(IKeyWrapper inner, bool isInProcess) : IKeyWrapper, IInProcessKeyWrapper
    {
        public KekUri Kek => inner.Kek;

        public bool IsInProcess => isInProcess;

        public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
            => inner.WrapAsync(key, context, cancellationToken);

        public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
            => inner.UnwrapAsync(wrapped, context, cancellationToken);
    }
}
