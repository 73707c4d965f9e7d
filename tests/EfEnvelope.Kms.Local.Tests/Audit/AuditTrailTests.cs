using System.Diagnostics;
using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>What is recorded, and what becomes of calls that cannot be, over a real store; one small class per server.</summary>
public abstract class AuditTrailTests : IAsyncLifetime
{
    private TamperStore _store = null!;

    public async ValueTask InitializeAsync() => _store = await CreateStoreAsync();

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_store is not null)
            await _store.DisposeAsync();
    }

    [Fact]
    public async Task Every_call_is_recorded_with_who_what_and_how_it_ended()
    {
        using var kms = await _store.CreateAsync();
        var app = kms.As(await AccessTests.PrincipalAsync(kms, "app"), "request-7");
        await kms.Access.PutPolicyAsync("app", AccessTests.Policy("allow", "app", "Wrap", "*"), TestKms.Cancellation);
        var wrapped = await app.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.UnwrapAsync(wrapped, EncryptionContext.Empty, TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.RotateKeyAsync("absent", TestKms.Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.Unauthenticated, () => kms.As(LocalKmsCredential.Create("ghost")).ListKeysAsync(TestKms.Cancellation));

        var events = await kms.Audit.QueryAsync(new LocalKmsAuditQuery(), TestKms.Cancellation);
        var keyId = (await kms.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation)).KeyId;

        Assert.Equal(Enumerable.Range(1, 9).Select(n => (long)n), events.Select(e => e.Sequence));
        Assert.Equal(
            [
                ("root", "CreateKey", "clinic", 1, "ok", null, "root"),
                ("root", "ManageAccess", null, null, "ok", null, "root"),
                ("root", "ManageAccess", null, null, "ok", null, "root"),
                ("app", "Wrap", "clinic", 1, "ok", null, "policy app, statement 1"),
                ("app", "Unwrap", "clinic", null, "denied", "AccessDenied", "default"),
                ("root", "RotateKey", "clinic", 2, "ok", null, "root"),
                ("root", "Unwrap", "clinic", 1, "failed", "InvalidCiphertext", "root"),
                ("root", "RotateKey", "absent", null, "failed", "NotFound", "root"),
                ("?ghost", "ListKeys", null, (int?)null, "denied", "Unauthenticated", null),
            ],
            events.Select(e => (e.Principal, e.Operation, e.KeyName, e.KeyVersion, e.Outcome, e.ErrorKind, e.Rule)));
        Assert.Equal(["create principal app", "put policy app"], events.Skip(1).Take(2).Select(e => e.Detail));
        Assert.Equal(keyId, events[3].KeyId);
        Assert.Equal(TestKms.Context, events[3].Context);
        Assert.Equal("request-7", events[3].CorrelationId);
        Assert.Null(events[7].KeyId);
        Assert.All(events, e => Assert.EndsWith($"/{Environment.ProcessId}", e.Node));
    }

    [Fact]
    public async Task Event_carries_the_trace_id_of_the_current_activity()
    {
        using var kms = await _store.CreateAsync();
        using var activity = new Activity("request").SetIdFormat(ActivityIdFormat.W3C).Start();
        await kms.ListKeysAsync(TestKms.Cancellation);

        var events = await kms.Audit.QueryAsync(new LocalKmsAuditQuery { AfterSequence = 1 }, TestKms.Cancellation);

        Assert.Equal(activity.TraceId.ToHexString(), Assert.Single(events).CorrelationId);
    }

    [Fact]
    public async Task Events_are_read_page_by_page_by_time_principal_and_key()
    {
        using var kms = await _store.CreateAsync();
        await _store.AppendAsync(25);
        var seen = new List<long>();
        var query = new LocalKmsAuditQuery { Principal = "app", Key = "key-0", PageSize = 4 };

        while (true)
        {
            var page = await kms.Audit.QueryAsync(query, TestKms.Cancellation);
            seen.AddRange(page.Select(e => e.Sequence));
            if (page.Count < query.PageSize)
                break;
            query = query with { AfterSequence = page[^1].Sequence };
        }

        Assert.Equal(Enumerable.Range(0, 9).Select(n => 2L + (3 * n)), seen);
        var first = (await kms.Audit.QueryAsync(new LocalKmsAuditQuery { PageSize = 1 }, TestKms.Cancellation))[0].Time;
        Assert.Empty(await kms.Audit.QueryAsync(new LocalKmsAuditQuery { To = first }, TestKms.Cancellation));
        Assert.Equal(1, (await kms.Audit.QueryAsync(new LocalKmsAuditQuery { From = first, PageSize = 1 }, TestKms.Cancellation))[0].Sequence);
        await Assert.ThrowsAsync<ArgumentException>(() => kms.Audit.QueryAsync(new LocalKmsAuditQuery { PageSize = 1001 }, TestKms.Cancellation));
    }

    [Fact]
    public async Task Eight_callers_on_two_instances_leave_one_whole_chain()
    {
        using var one = await _store.CreateAsync();
        using var two = _store.Open();
        const int each = 40;

        await CallAsync(8, each, i => i % 2 == 0 ? one : two);

        var report = await one.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation);
        Assert.True(report.IsIntact, report.Fault);
        Assert.Equal((8 * each) + 1, report.Events);
        Assert.Equal(1, report.Checkpoints);
        await using var db = _store.Place.CreateContext();
        var contexts = await db.Set<AuditEventRow>().Where(e => e.Operation == "Wrap").Select(e => e.Context).ToListAsync(TestKms.Cancellation);
        Assert.Equal(8 * each, contexts.Distinct().Count());
    }

    [Fact]
    public async Task Ten_thousand_events_of_eight_callers_are_a_whole_chain()
    {
        Assert.SkipWhen(
            Environment.GetEnvironmentVariable("EFENVELOPE_LONG_TESTS") is not { Length: > 0 }, "It takes a while; set EFENVELOPE_LONG_TESTS=1 to run it.");
        using var one = await _store.CreateAsync();
        using var two = _store.Open();

        await CallAsync(8, 1250, i => i % 2 == 0 ? one : two);

        var report = await one.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation);
        Assert.True(report.IsIntact, report.Fault);
        Assert.Equal(10_001, report.Events);
    }

    [Fact]
    public async Task What_cannot_be_recorded_is_not_done()
    {
        using var kms = await _store.CreateAsync();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        await _store.ExecuteAsync("UPDATE kms_audit_head SET sequence = sequence + 1");

        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation));

        Assert.Contains("VerifyAsync", exception.Message);
        await _store.ExecuteAsync("UPDATE kms_audit_head SET sequence = sequence - 1");
        Assert.Equal(1, (await kms.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation)).PrimaryVersion);
        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation)).IsIntact);
    }

    [Fact]
    public async Task Verifying_while_others_append_finds_nothing()
    {
        using var kms = await _store.CreateAsync();
        var appending = CallAsync(4, 30, _ => kms);
        do
        {
            var report = await kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation);
            Assert.True(report.IsIntact, report.Fault);
        }
        while (!appending.IsCompleted);
        await appending;
    }

    private static Task CallAsync(int callers, int each, Func<int, LocalKms> kms)
        => Task.WhenAll(Enumerable.Range(0, callers).Select(i => Task.Run(async () =>
        {
            for (var n = 0; n < each; n++)
                await kms(i).WrapAsync(TestKms.KeyName, TestKms.NewKey(), new EncryptionContext([new("n", $"{i}/{n}")]), TestKms.Cancellation);
        })));

    private protected abstract Task<TamperStore> CreateStoreAsync();
}

public sealed class SqliteAuditTrailTests : AuditTrailTests
{
    private protected override Task<TamperStore> CreateStoreAsync() => Task.FromResult<TamperStore>(new SqliteTamperStore());
}

public sealed class PostgresAuditTrailTests : AuditTrailTests
{
    private protected override async Task<TamperStore> CreateStoreAsync() => await PostgresTamperStore.NewAsync();
}
