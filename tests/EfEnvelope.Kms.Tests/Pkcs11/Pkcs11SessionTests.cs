using System.Security.Cryptography;
using EfEnvelope.Kms.Pkcs11;
using Microsoft.Extensions.Time.Testing;
using Net.Pkcs11Interop.Common;

namespace EfEnvelope.Kms.Tests.Pkcs11;

/// <summary>The login, the sessions and the threads behind them, and other users of the same token.</summary>
[Collection("PKCS#11")]
public sealed class Pkcs11SessionTests
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wrong_PIN_is_sent_once_however_many_ask()
    {
        var options = SoftHsm.NewToken();
        using var wrong = new Pkcs11Client(options with { Pin = Pkcs11Pin.Of("not the pin") }, "kek");
        using var wrongAgain = new Pkcs11Client(options with { Pin = Pkcs11Pin.Of("not the pin") }, "kek");

        var kinds = await Task.WhenAll(Enumerable.Range(0, 64).Select(
            async i => (await Assert.ThrowsAsync<KmsException>(async () => await (i % 2 == 0 ? wrong : wrongAgain).WrapAsync(Key, Context, Token))).Kind));

        Assert.All(kinds, kind => Assert.Equal(KmsErrorKind.Unauthenticated, kind));
        Assert.Equal(1, wrong.Log.Count(2604) + wrongAgain.Log.Count(2604));
        await Pkcs11Kms.CreateKeyAsync("kek", options, Token);
    }

    [Fact]
    public async Task PIN_is_asked_for_once_by_many_callers()
    {
        var options = SoftHsm.NewToken();
        var pin = await options.Pin.ReadAsync(Token);
        await Pkcs11Kms.CreateKeyAsync("kek", options, Token);
        var asked = 0;
        using var client = new Pkcs11Client(
            options with
            {
                Pin = Pkcs11Pin.Ask(async cancellation =>
                {
                    Interlocked.Increment(ref asked);
                    await Task.Delay(50, cancellation);
                    return pin;
                }),
            },
            "kek");

        await Task.WhenAll(Enumerable.Range(0, 64).Select(async _ => await client.WrapAsync(Key, Context, Token)));

        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task PIN_is_read_from_a_file()
    {
        var options = SoftHsm.NewToken();
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, await options.Pin.ReadAsync(Token) + "\n", Token);

        await Pkcs11Kms.CreateKeyAsync("kek", options with { Pin = Pkcs11Pin.FromFile(file) }, Token);

        File.Delete(file);
        var e = await Assert.ThrowsAsync<KmsException>(
            async () => await Pkcs11Kms.CreateKeyAsync("kek", options with { Pin = Pkcs11Pin.FromFile(file) }, Token));
        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
    }

    [Fact]
    public async Task Key_that_another_process_put_on_the_token_wraps_without_a_restart()
    {
        var options = SoftHsm.NewToken();
        await Pkcs11Kms.CreateKeyAsync("kek", options, Token);
        using var client = new Pkcs11Client(options, "kek");
        var before = await client.WrapAsync(Key, Context, Token);

        // The utility reads the file as a line of text: it would cut the key at a zero or at a line's end.
        byte[] kek = [.. Enumerable.Range(0, 32).Select(_ => (byte)RandomNumberGenerator.GetInt32('\n' + 1, 256))];
        var file = Path.GetTempFileName();
        await File.WriteAllBytesAsync(file, kek, Token);

        await SoftHsm.RunUtilityAsync(
            "--import", file, "--aes", "--token", options.TokenLabel, "--label", "kek", "--id", "f000000000000001", "--pin", await options.Pin.ReadAsync(Token));

        File.Delete(file);
        var after = await client.WrapAsync(Key, Context, Token);
        Assert.Equal("f000000000000001", after.KekVersion);
        var opened = new byte[32];
        using var aes = new AesGcm(kek, 16);
        var bytes = after.Ciphertext.ToArray();
        aes.Decrypt(bytes.AsSpan(1, 12), bytes.AsSpan(13, 32), bytes.AsSpan(45), opened, Context.AssociatedData.Span);
        Assert.Equal(Key, opened);
        Assert.Equal(Key, await client.UnwrapAsync(before, Context, Token));
    }

    [Theory]
    [InlineData("sessions closed")]
    [InlineData("logged out")]
    [InlineData("module finalized")]
    public async Task Work_goes_on_when_another_component_of_the_process_took_the_sessions_away(string what)
    {
        var options = SoftHsm.NewToken();
        await Pkcs11Kms.CreateKeyAsync("kek", options, Token);
        using var client = new Pkcs11Client(options, "kek");
        var copies = await Task.WhenAll(Enumerable.Range(0, 16).Select(async _ => await client.WrapAsync(Key, Context, Token)));

        switch (what)
        {
            case "sessions closed":
                SoftHsm.Slot(options).CloseAllSessions();
                break;
            case "logged out":
                SoftHsm.Administer(options, session =>
                {
                    session.Logout();
                    return 0;
                });
                break;
            default:
                SoftHsm.Library().Dispose();
                break;
        }

        var keys = await Task.WhenAll(copies.Select(async copy => await client.UnwrapAsync(copy, Context, Token)));
        Assert.All(keys, key => Assert.Equal(Key, key));
        Assert.InRange(client.Log.Count(2602), 2, 2);
    }

    [Fact]
    public async Task Token_that_hangs_holds_no_thread_of_the_pool_and_its_callers_time_out()
    {
        var options = SoftHsm.NewToken() with { MaxSessions = 3, Timeout = TimeSpan.FromSeconds(20) };
        await Pkcs11Kms.CreateKeyAsync("kek", options, Token);
        var time = new FakeTimeProvider();
        using var client = new Pkcs11Client(options, "kek", time);
        using var hanging = new ManualResetEventSlim();
        using var entered = new CountdownEvent(3);
        var running = 0;
        var onPool = 0;
        byte[] secret = [1, 2, 3];

        var calls = Enumerable.Range(0, 200).Select(i => client.Sessions.RunAsync(
            _ =>
            {
                Interlocked.Increment(ref running);
                if (Thread.CurrentThread.IsThreadPoolThread)
                    Interlocked.Increment(ref onPool);
                entered.Signal();
                hanging.Wait();
                return secret;
            },
            bytes => CryptographicOperations.ZeroMemory(bytes),
            Token).AsTask()).ToList();

        Assert.True(entered.Wait(TimeSpan.FromMinutes(5), Token));
        time.Advance(TimeSpan.FromSeconds(21));
        foreach (var call in calls)
            Assert.Equal(KmsErrorKind.Timeout, (await Assert.ThrowsAsync<KmsException>(() => call)).Kind);
        Assert.Equal((3, 0), (running, onPool));

        hanging.Set();
        Assert.Equal(Key, await client.UnwrapAsync(await client.WrapAsync(Key, Context, Token), Context, Token));
        SpinWait.SpinUntil(() => secret.All(b => b == 0), TimeSpan.FromMinutes(2));
        Assert.All(secret, b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task Waiting_caller_can_be_cancelled()
    {
        var options = SoftHsm.NewToken() with { MaxSessions = 1 };
        await Pkcs11Kms.CreateKeyAsync("kek", options, Token);
        using var client = new Pkcs11Client(options, "kek");
        using var hanging = new ManualResetEventSlim();
        var first = client.Sessions.RunAsync(_ => hanging.Wait(TimeSpan.FromMinutes(5)), null, Token).AsTask();
        using var cancelled = new CancellationTokenSource();

        var second = client.WrapAsync(Key, Context, cancelled.Token).AsTask();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        hanging.Set();
        await first;
        await client.WrapAsync(Key, Context, Token);
    }

    [Fact]
    public async Task No_more_sessions_are_open_than_allowed_and_none_after_the_end()
    {
        var options = SoftHsm.NewToken() with { MaxSessions = 4 };
        await Pkcs11Kms.CreateKeyAsync("kek", options, Token);
        var client = new Pkcs11Client(options, "kek");

        var sessions = await Task.WhenAll(Enumerable.Range(0, 200).Select(async _ => await client.Sessions.RunAsync(session => session.SessionId, null, Token)));

        Assert.InRange(sessions.Distinct().Count(), 1, 4);
        client.Dispose();
        // A token forgets the login with the last session.
        using (var session = SoftHsm.Slot(options).OpenSession(SessionType.ReadOnly))
            Assert.Equal(CKS.CKS_RO_PUBLIC_SESSION, session.GetSessionInfo().State);
        var e = await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token));
        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
    }

    [Fact]
    public async Task Token_that_is_not_there_is_unavailable_and_a_module_that_is_not_there_is_a_mistake()
    {
        var options = SoftHsm.NewToken();
        using var noToken = new Pkcs11Client(options with { TokenLabel = "no such token" }, "kek");
        using var noModule = new Pkcs11Client(options with { ModulePath = "/no/such/module.so" }, "kek");

        Assert.Equal(KmsErrorKind.Unavailable, (await Assert.ThrowsAsync<KmsException>(async () => await noToken.WrapAsync(Key, Context, Token))).Kind);
        Assert.Equal(KmsErrorKind.InvalidRequest, (await Assert.ThrowsAsync<KmsException>(async () => await noModule.WrapAsync(Key, Context, Token))).Kind);
    }

    [Fact]
    public async Task Two_tokens_with_one_label_are_refused()
    {
        var options = SoftHsm.NewToken("twins");
        _ = SoftHsm.NewToken("twins");
        using var client = new Pkcs11Client(options, "kek");

        Assert.Equal(KmsErrorKind.InvalidRequest, (await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token))).Kind);
    }

    [Theory]
    [InlineData(CKR.CKR_KEY_FUNCTION_NOT_PERMITTED, KmsErrorKind.Disabled)]
    [InlineData(CKR.CKR_MECHANISM_INVALID, KmsErrorKind.InvalidRequest)]
    [InlineData(CKR.CKR_KEY_TYPE_INCONSISTENT, KmsErrorKind.InvalidRequest)]
    [InlineData(CKR.CKR_SESSION_COUNT, KmsErrorKind.Throttled)]
    [InlineData(CKR.CKR_DEVICE_MEMORY, KmsErrorKind.Unavailable)]
    [InlineData(CKR.CKR_FUNCTION_FAILED, KmsErrorKind.Unavailable)]
    [InlineData(CKR.CKR_GENERAL_ERROR, KmsErrorKind.Unavailable)]
    [InlineData(CKR.CKR_DEVICE_REMOVED, KmsErrorKind.Unavailable)]
    [InlineData(CKR.CKR_FUNCTION_NOT_SUPPORTED, KmsErrorKind.InvalidRequest)]
    public async Task Return_code_is_one_kind(CKR code, KmsErrorKind kind)
    {
        var options = SoftHsm.NewToken();
        using var client = new Pkcs11Client(options, "kek");

        var e = await Assert.ThrowsAsync<KmsException>(
            async () => await client.Sessions.RunAsync<int>(_ => throw new Pkcs11Exception("C_Encrypt", code), null, Token));

        Assert.Equal(kind, e.Kind);
        Assert.Contains(code.ToString(), e.Message, StringComparison.Ordinal);
        Assert.Contains("object=kek", e.Message, StringComparison.Ordinal);
    }
}
