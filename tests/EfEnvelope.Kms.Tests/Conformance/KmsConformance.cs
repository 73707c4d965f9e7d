using System.Security.Cryptography;
using EfEnvelope.Rotation;

namespace EfEnvelope.Kms.Tests.Conformance;

/// <summary>What every KMS does behind the seam. A provider's class only says how its service is started.</summary>
public abstract class KmsConformance : IAsyncLifetime
{
    protected static readonly EncryptionContext Context = new([new("purpose", "conformance"), new("scope", "clinic"), new("version", "1")]);

    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    private KmsHarness _kms = null!;

    protected KmsHarness Kms => _kms;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_kms is not null)
            await _kms.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts the service with two KEKs.</summary>
    protected abstract ValueTask<KmsHarness> StartAsync();

    [Theory]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(32)]
    [InlineData(48)]
    [InlineData(64)]
    public async Task Wrapped_key_unwraps(int length)
    {
        var key = RandomNumberGenerator.GetBytes(length);

        var copy = await Kms.Wrapper.WrapAsync(key, Context, Token);

        Assert.Equal(Kms.Wrapper.Kek, copy.Kek);
        Assert.Equal(key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Calls_whose_thread_waits_wrap_and_unwrap_as_the_others_do()
    {
        var copy = Kms.Wrapper.Wrap(Key, Context, Token);

        Assert.Equal(Kms.Wrapper.Kek, copy.Kek);
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(Key, Kms.Wrapper.Unwrap(await WrapAsync(), Context, Token));
    }

    [Fact]
    public async Task Wrapped_key_unwraps_from_its_stored_form()
    {
        var stored = new WrappedKey(await WrapAsync()).ToString();

        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(WrappedKey.Parse(stored).Copies.Single(), Context, Token));
    }

    [Fact]
    public async Task Wrapped_key_does_not_show_the_key_and_differs_each_time()
    {
        var (first, second) = (await WrapAsync(), await WrapAsync());

        Assert.NotEqual(first.Ciphertext.ToArray(), second.Ciphertext.ToArray());
        Assert.True(first.Ciphertext.Span.IndexOf(Key.AsSpan(0, 8)) < 0);
    }

    [Fact]
    public async Task Context_has_no_order()
    {
        var copy = await WrapAsync();

        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, new EncryptionContext(Context.Pairs.Reverse()), Token));
    }

    [Fact]
    public async Task Context_may_hold_any_text()
    {
        var context = new EncryptionContext([new("scope", "kliník/ä ö \"quoted\" \\ 患者 🏥"), new("empty", "")]);

        var copy = await Kms.Wrapper.WrapAsync(Key, context, Token);

        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, context, Token));
    }

    [Fact]
    public async Task Empty_context_is_one_of_its_own()
    {
        var copy = await Kms.Wrapper.WrapAsync(Key, EncryptionContext.Empty, Token);

        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, EncryptionContext.Empty, Token));
        await FailsAsync(KmsFact.WrongContext, KmsErrorKind.InvalidCiphertext, () => Kms.Wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Wrong_context_opens_nothing()
    {
        var copy = await WrapAsync();
        EncryptionContext[] wrong =
        [
            EncryptionContext.Empty,
            new(Context.Pairs.Skip(1)),
            new(Context.Pairs.Append(new("more", "1"))),
            new(Context.Pairs.Select(p => new KeyValuePair<string, string>(p.Key, p.Value.ToUpperInvariant()))),
            new(Context.Pairs.Select(p => new KeyValuePair<string, string>(p.Key.ToUpperInvariant(), p.Value))),
        ];

        foreach (var context in wrong)
            await FailsAsync(KmsFact.WrongContext, KmsErrorKind.InvalidCiphertext, () => Kms.Wrapper.UnwrapAsync(copy, context, Token));
    }

    [Fact]
    public async Task Tampered_copy_does_not_open_and_is_not_asked_for_twice()
    {
        var copy = await WrapAsync();
        var bytes = copy.Ciphertext.ToArray();
        for (var i = 0; i < bytes.Length; i += Math.Max(1, bytes.Length / 24))
        {
            var tampered = bytes.ToArray();
            tampered[i] ^= 0x01;
            var before = Kms.IsRemote ? Kms.Requests : 0;

            var e = await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy with { Ciphertext = tampered }, Context, Token));

            Assert.Contains(e.Kind, (KmsErrorKind[])[Expected(KmsFact.Tampered, KmsErrorKind.InvalidCiphertext), KmsErrorKind.WrongKey]);
            if (Kms.IsRemote)
                Assert.InRange(Kms.Requests - before, 0, 1);
        }
    }

    [Fact]
    public async Task Truncated_copy_does_not_open()
    {
        var copy = await WrapAsync();
        foreach (var length in (int[])[0, 1, 4, 15, 16, copy.Ciphertext.Length / 2, copy.Ciphertext.Length - 1])
        {
            await FailsAsync(
                KmsFact.Tampered, KmsErrorKind.InvalidCiphertext, () => Kms.Wrapper.UnwrapAsync(copy with { Ciphertext = copy.Ciphertext[..length] }, Context, Token));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100_000)]
    public async Task Extended_copy_does_not_open(int more)
    {
        var copy = await WrapAsync();

        await FailsAsync(
            KmsFact.Tampered,
            KmsErrorKind.InvalidCiphertext,
            () => Kms.Wrapper.UnwrapAsync(copy with { Ciphertext = (byte[])[.. copy.Ciphertext.Span, .. new byte[more]] }, Context, Token));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(65)]
    [InlineData(5000)]
    public async Task Key_of_another_length_is_refused_before_it_is_sent(int length)
    {
        var before = Kms.IsRemote ? Kms.Requests : 0;

        var e = await ThrowsAsync(() => Kms.Wrapper.WrapAsync(new byte[length], Context, Token));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        if (Kms.IsRemote)
            Assert.Equal(before, Kms.Requests);
    }

    [Fact]
    public async Task Copy_under_another_KEK_of_the_service_unwraps_by_its_own_name()
    {
        var copy = await Kms.OtherKey.WrapAsync(Key, Context, Token);

        Assert.NotEqual(Kms.Wrapper.Kek, copy.Kek);
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Copy_that_names_another_KEK_than_its_own_does_not_open()
    {
        var copy = await Kms.OtherKey.WrapAsync(Key, Context, Token);

        var e = await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy with { Kek = Kms.Wrapper.Kek }, Context, Token));

        Assert.Contains(e.Kind, (KmsErrorKind[])[Expected(KmsFact.OtherKey, KmsErrorKind.WrongKey), KmsErrorKind.InvalidCiphertext]);
    }

    [Fact]
    public async Task Copy_of_another_service_is_refused_before_it_is_sent()
    {
        var copy = await WrapAsync();
        var before = Kms.IsRemote ? Kms.Requests : 0;

        var e = await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy with { Kek = new KekUri("another-kms:clinic") }, Context, Token));

        Assert.Equal(KmsErrorKind.WrongKey, e.Kind);
        if (Kms.IsRemote)
            Assert.Equal(before, Kms.Requests);
    }

    [Fact]
    public async Task Rotated_KEK_opens_what_it_wrapped_before_and_tells_which_copies_are_stale()
    {
        Require(KmsLever.Rotate);
        var before = await WrapAsync();
        var described = await Kms.Wrapper.DescribeAsync(Token);
        await Kms.RotateAsync();
        var after = await WrapAsync();
        var rotated = await Kms.Wrapper.DescribeAsync(Token);

        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(before, Context, Token));
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(after, Context, Token));
        Assert.NotNull(before.KekVersion);
        Assert.Equal(described.PrimaryVersion, before.KekVersion);
        Assert.Equal(rotated.PrimaryVersion, after.KekVersion);
        Assert.NotEqual(before.KekVersion, after.KekVersion);
    }

    [Fact]
    public async Task Rewrapped_copy_is_under_the_present_version()
    {
        Require(KmsLever.Rotate);
        var before = await WrapAsync();
        await Kms.RotateAsync();

        var rewrapped = await Kms.Wrapper.RewrapAsync(before, Context, Token);

        Assert.Equal((await Kms.Wrapper.DescribeAsync(Token)).PrimaryVersion, rewrapped.KekVersion);
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(rewrapped, Context, Token));
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(before, Context, Token));
    }

    [Fact]
    public async Task Copy_under_another_KEK_is_rewrapped_under_this_one()
    {
        var copy = await Kms.OtherKey.WrapAsync(Key, Context, Token);

        var rewrapped = await Kms.Wrapper.RewrapAsync(copy, Context, Token);

        Assert.Equal(Kms.Wrapper.Kek, rewrapped.Kek);
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(rewrapped, Context, Token));
    }

    [Fact]
    public async Task Rewrapping_under_a_wrong_context_is_refused()
    {
        var copy = await WrapAsync();

        await FailsAsync(KmsFact.WrongContext, KmsErrorKind.InvalidCiphertext, () => Kms.Wrapper.RewrapAsync(copy, EncryptionContext.Empty, Token));
    }

    [Fact]
    public async Task KEK_is_described()
    {
        var described = await Kms.Wrapper.DescribeAsync(Token);

        Assert.Equal(Kms.Wrapper.Kek, described.Kek);
        Assert.Equal(KekState.Enabled, described.State);
    }

    [Fact]
    public async Task Disabled_KEK_neither_wraps_nor_unwraps_until_it_is_enabled()
    {
        Require(KmsLever.Disable);
        var copy = await WrapAsync();
        await Kms.DisableAsync();

        await FailsAsync(KmsFact.Disabled, KmsErrorKind.Disabled, () => Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        await FailsAsync(KmsFact.Disabled, KmsErrorKind.Disabled, () => Kms.Wrapper.WrapAsync(Key, Context, Token));
        Assert.Equal(KekState.Disabled, (await Kms.Wrapper.DescribeAsync(Token)).State);
        await Kms.EnableAsync();
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task KEK_that_is_to_be_deleted_neither_wraps_nor_unwraps()
    {
        Require(KmsLever.ScheduleDeletion);
        var copy = await WrapAsync();
        await Kms.ScheduleDeletionAsync();

        await FailsAsync(KmsFact.PendingDeletion, KmsErrorKind.PendingDeletion, () => Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        await FailsAsync(KmsFact.PendingDeletion, KmsErrorKind.PendingDeletion, () => Kms.Wrapper.WrapAsync(Key, Context, Token));
    }

    [Fact]
    public async Task Deleted_KEK_is_not_found()
    {
        Require(KmsLever.Delete);
        var copy = await WrapAsync();
        await Kms.DeleteAsync();

        await FailsAsync(KmsFact.Deleted, KmsErrorKind.NotFound, () => Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        await FailsAsync(KmsFact.Deleted, KmsErrorKind.NotFound, () => Kms.Wrapper.WrapAsync(Key, Context, Token));
    }

    [Fact]
    public async Task KEK_that_does_not_exist_is_not_found_and_not_made()
    {
        var copy = (await WrapAsync()) with { Kek = Kms.MissingKey.Kek };

        await FailsAsync(KmsFact.NotFound, KmsErrorKind.NotFound, () => Kms.MissingKey.WrapAsync(Key, Context, Token));
        await FailsAsync(KmsFact.NotFound, KmsErrorKind.NotFound, () => Kms.MissingKey.UnwrapAsync(copy, Context, Token));
        await FailsAsync(KmsFact.NotFound, KmsErrorKind.NotFound, async () => await Kms.MissingKey.DescribeAsync(Token));
    }

    [Fact]
    public async Task Caller_without_permission_is_denied()
    {
        Require(KmsLever.Deny);
        var copy = await WrapAsync();
        await Kms.DenyAsync();

        await FailsAsync(KmsFact.Denied, KmsErrorKind.AccessDenied, () => Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        await FailsAsync(KmsFact.Denied, KmsErrorKind.AccessDenied, () => Kms.Wrapper.WrapAsync(Key, Context, Token));
    }

    [Fact]
    public async Task Expired_credentials_are_renewed_once()
    {
        Require(KmsLever.ExpireCredentials);
        var copy = await WrapAsync();
        var before = Kms.Renewals;
        await Kms.ExpireCredentialsAsync(forGood: false);

        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(1, Kms.Renewals - before);
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(1, Kms.Renewals - before);
    }

    [Fact]
    public async Task Credentials_that_are_never_accepted_are_said_to_be_wrong()
    {
        Require(KmsLever.ExpireCredentials);
        var copy = await WrapAsync();
        var before = Kms.Renewals;
        await Kms.ExpireCredentialsAsync(forGood: true);

        var e = await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Contains(e.Kind, (KmsErrorKind[])[KmsErrorKind.Unauthenticated, Expected(KmsFact.Denied, KmsErrorKind.Unauthenticated)]);
        Assert.InRange(Kms.Renewals - before, 0, 1);
    }

    [Fact]
    public async Task Throttled_request_is_sent_again()
    {
        Require(KmsLever.Throttle);
        var copy = await WrapAsync();
        var before = Kms.Requests;
        await Kms.ThrottleAsync(2);

        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(3, Kms.Requests - before);
    }

    [Fact]
    public async Task Throttling_without_end_is_said()
    {
        Require(KmsLever.Throttle);
        var copy = await WrapAsync();
        await Kms.ThrottleAsync(1000);

        var e = await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Equal(KmsErrorKind.Throttled, e.Kind);
        Assert.True(e.IsTransient);
    }

    [Fact]
    public async Task Request_that_failed_in_the_service_is_sent_again()
    {
        Require(KmsLever.Fail);
        var copy = await WrapAsync();
        await Kms.FailAsync(2);

        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Service_that_goes_on_failing_is_unavailable()
    {
        Require(KmsLever.Fail);
        var copy = await WrapAsync();
        await Kms.FailAsync(1000);

        Assert.Equal(KmsErrorKind.Unavailable, (await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy, Context, Token))).Kind);
        Assert.Equal(KmsErrorKind.Unavailable, (await ThrowsAsync(() => Kms.Wrapper.WrapAsync(Key, Context, Token))).Kind);
    }

    [Fact]
    public async Task Broken_connection_is_tried_again_and_then_said()
    {
        Require(KmsLever.Drop);
        var copy = await WrapAsync();
        await Kms.DropAsync(1);
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
        await Kms.DropAsync(1000);

        Assert.Equal(KmsErrorKind.Unavailable, (await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy, Context, Token))).Kind);
    }

    [Fact]
    public async Task Service_that_is_not_there_is_unavailable()
    {
        Require(KmsLever.Stop);
        var copy = await WrapAsync();
        await Kms.StopAsync();

        Assert.Equal(KmsErrorKind.Unavailable, (await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy, Context, Token))).Kind);
    }

    [Fact]
    public async Task Service_that_does_not_answer_times_out()
    {
        Require(KmsLever.Hang);
        var copy = await WrapAsync();
        var impatient = Kms.CreateImpatient();
        await Kms.HangAsync(1000);

        Assert.Equal(KmsErrorKind.Timeout, (await ThrowsAsync(() => impatient.UnwrapAsync(copy, Context, Token))).Kind);
        (impatient as IDisposable)?.Dispose();
    }

    [Fact]
    public async Task Cancelled_call_ends_as_cancelled()
    {
        var copy = await WrapAsync();
        using var cancelled = new CancellationTokenSource();
        Task call;
        if (!Kms.Cannot.ContainsKey(KmsLever.Hang))
        {
            var before = Kms.Requests;
            await Kms.HangAsync(1);
            call = Kms.Wrapper.UnwrapAsync(copy, Context, cancelled.Token).AsTask();
            while (Kms.Requests == before && !call.IsCompleted)
                await Task.Delay(5, Token);
            await cancelled.CancelAsync();
        }
        else
        {
            await cancelled.CancelAsync();
            call = Task.Run(async () => await Kms.Wrapper.UnwrapAsync(copy, Context, cancelled.Token), Token);
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal(Key, await Kms.Wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Many_callers_at_once_each_get_their_own_key()
    {
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async i =>
        {
            var key = RandomNumberGenerator.GetBytes(32);
            var context = new EncryptionContext([new("caller", $"{i}")]);
            var copy = await Kms.Wrapper.WrapAsync(key, context, Token);
            for (var again = 0; again < 4; again++)
                Assert.Equal(key, await Kms.Wrapper.UnwrapAsync(copy, context, Token));
        }));
    }

    [Fact]
    public async Task Application_encrypts_under_it_and_stale_copies_are_shown_and_rewrapped()
    {
        await using var application = new NoteApplication();
        await application.WriteAsync(Kms.Wrapper, "kept");
        Assert.Equal(["kept"], await application.ReadAsync(Kms.Wrapper));
        Assert.Equal([KekCopyState.Current], await application.JudgeAsync(Kms.Wrapper));

        if (!Kms.Cannot.ContainsKey(KmsLever.Rotate))
        {
            await Kms.RotateAsync();
            Assert.Equal([KekCopyState.FormerVersion], await application.JudgeAsync(Kms.Wrapper));
            await application.RewrapAsync(Kms.Wrapper);
            Assert.Equal([KekCopyState.Current], await application.JudgeAsync(Kms.Wrapper));
        }

        // To another KEK, and the former one is taken away.
        await application.RewrapAsync(Kms.OtherKey, Kms.Wrapper);
        Assert.Equal([KekCopyState.Current, KekCopyState.Current], await application.JudgeAsync(Kms.OtherKey, Kms.Wrapper));
        Assert.Contains(KekCopyState.NotConfigured, await application.JudgeAsync(Kms.OtherKey));
        await application.RewrapAsync(Kms.OtherKey);
        await application.WriteAsync(Kms.OtherKey, "new");
        Assert.Equal(["kept", "new"], await application.ReadAsync(Kms.OtherKey));
    }

    [Fact]
    public async Task Nothing_secret_is_said_or_logged()
    {
        var copy = await WrapAsync();
        List<Exception> said =
        [
            await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy, EncryptionContext.Empty, Token)),
            await ThrowsAsync(() => Kms.MissingKey.WrapAsync(Key, Context, Token)),
        ];
        if (!Kms.Cannot.ContainsKey(KmsLever.Deny))
        {
            await Kms.DenyAsync();
            said.Add(await ThrowsAsync(() => Kms.Wrapper.WrapAsync(Key, Context, Token)));
        }

        var text = string.Join("\n", said) + Kms.Log + Kms.Wrapper + copy;
        string[] secrets = [Convert.ToBase64String(Key), Convert.ToBase64String(Key).TrimEnd('='), Convert.ToHexString(Key), Convert.ToHexStringLower(Key), .. Kms.Secrets];
        Assert.All(secrets, secret => Assert.DoesNotContain(secret, text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Refusals_name_the_KEK()
    {
        var copy = await WrapAsync();

        Assert.Contains(Kms.Wrapper.Kek.Key, (await ThrowsAsync(() => Kms.Wrapper.UnwrapAsync(copy, EncryptionContext.Empty, Token))).Message, StringComparison.Ordinal);
        Assert.Contains(Kms.MissingKey.Kek.Key, (await ThrowsAsync(() => Kms.MissingKey.WrapAsync(Key, Context, Token))).Message, StringComparison.Ordinal);
    }

    protected ValueTask<WrappedKeyCopy> WrapAsync() => Kms.Wrapper.WrapAsync(Key, Context, Token);

    protected static async Task<KmsException> ThrowsAsync<T>(Func<ValueTask<T>> call)
        => await Assert.ThrowsAsync<KmsException>(async () => await call());

    private async Task FailsAsync<T>(KmsFact fact, KmsErrorKind kind, Func<ValueTask<T>> call)
        => Assert.Equal(Expected(fact, kind), (await ThrowsAsync(call)).Kind);

    private KmsErrorKind Expected(KmsFact fact, KmsErrorKind kind)
        => Kms.Deviations.TryGetValue(fact, out var deviation) ? deviation.Kind : kind;

    private void Require(KmsLever lever)
    {
        if (Kms.Cannot.TryGetValue(lever, out var reason))
            Assert.Skip(reason);
    }
}
