using CsCheck;
using EfEnvelope.Kms.Local.Access;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>A hand with the store but without the seal changes the trail; one small class per server.</summary>
public abstract class AuditTamperTests : IAsyncLifetime
{
    private const int Events = 14;

    private static readonly string[] Columns =
    [
        "sequence", "time", "principal", "operation", "key_name", "key_id", "key_version", "context", "detail", "outcome", "error_kind", "rule",
        "correlation_id", "node", "hash", "keyed_hash",
    ];

    private TamperStore _store = null!;
    private LocalKms _kms = null!;

    protected virtual int Iterations => 150;

    public async ValueTask InitializeAsync()
    {
        _store = await CreateStoreAsync();
        _kms = await _store.CreateAsync();
        await _store.AppendAsync(Events - 1);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        _kms?.Dispose();
        if (_store is not null)
            await _store.DisposeAsync();
    }

    [Fact]
    public async Task Every_column_is_bound()
    {
        var untouched = await SnapshotAsync();
        foreach (var column in Columns)
        {
            await FlipAsync(column, 5);
            await FindsAsync(5, column);
            await RestoreAsync(untouched);
        }

        Assert.True((await _kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation)).IsIntact);
    }

    [Fact]
    public async Task Any_event_that_is_flipped_dropped_swapped_inserted_or_appended_is_named()
    {
        var untouched = await SnapshotAsync();
        await Gen.Select(Gen.Int[0, 5], Gen.Int[1, Events], Gen.Int[1, Events], Gen.OneOfConst(Columns)).SampleAsync(
            async (kind, at, other, column) =>
            {
                await RestoreAsync(untouched);
                var expected = at;
                switch (kind)
                {
                    case 0:
                        await FlipAsync(column, at);
                        break;
                    case 1:
                        await _store.ExecuteAsync("DELETE FROM kms_audit_events WHERE sequence = {0}", at);
                        break;
                    case 2:
                        other = other == at ? (at % Events) + 1 : other;
                        expected = Math.Min(at, other);
                        await MoveAsync(at, 1000);
                        await MoveAsync(other, at);
                        await MoveAsync(1000, other);
                        break;
                    case 3:
                        for (var n = Events; n >= at; n--)
                            await MoveAsync(n, n + 1);
                        await CopyAsync(other >= at ? other + 1 : other, at);

                        // A copy of the event itself is that event; what moved on is the one that does not belong there.
                        expected = other == at ? at + 1 : at;
                        break;
                    case 4:
                        expected = Events + 1;
                        await CopyAsync(at, expected);
                        break;
                    default:
                        await _store.ExecuteAsync("DELETE FROM kms_audit_events WHERE sequence >= {0}", at);
                        break;
                }

                await FindsAsync(expected, $"{kind} {at} {other} {column}");
            },
            iter: Iterations,
            threads: 1);
    }

    [Fact]
    public async Task Tail_that_was_dropped_with_the_head_put_back_is_found()
    {
        await _store.ExecuteAsync(
            "UPDATE kms_audit_head SET sequence = 9, hash = (SELECT hash FROM kms_audit_events WHERE sequence = 9), "
                + "keyed_hash = (SELECT keyed_hash FROM kms_audit_events WHERE sequence = 9)");
        await _store.ExecuteAsync("DELETE FROM kms_audit_events WHERE sequence > 9");

        await FindsAsync(10, "head");
    }

    [Theory]
    [InlineData("DELETE FROM kms_audit_events WHERE sequence = (SELECT sequence FROM kms_audit_head)")]
    [InlineData("UPDATE kms_audit_events SET hash = keyed_hash WHERE sequence = (SELECT sequence FROM kms_audit_head)")]
    [InlineData("DELETE FROM kms_audit_events")]
    [InlineData("UPDATE kms_audit_events SET sequence = sequence + 1000 WHERE sequence = 1")]
    public async Task Store_whose_trail_was_altered_at_its_end_serves_nobody(string alteration)
    {
        await _store.ExecuteAsync(alteration);

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => _kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Head_that_was_removed_is_found()
    {
        await _store.ExecuteAsync("DELETE FROM kms_audit_head");

        await FindsAsync(Events + 1, "head");
    }

    [Fact]
    public async Task Whole_trail_that_was_removed_is_found()
    {
        await _store.ExecuteAsync("DELETE FROM kms_audit_events");

        await FindsAsync(1, "all");
    }

    [Fact]
    public async Task Signed_checkpoints_are_bound_too()
    {
        await _store.AppendAsync(600);
        var report = await _kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation);
        Assert.Equal((true, 2L), (report.IsIntact, report.Checkpoints));
        var untouched = await SnapshotAsync();

        await _store.ExecuteAsync("DELETE FROM kms_audit_checkpoints WHERE sequence = 512");
        await FindsAsync(512, "dropped");
        await RestoreAsync(untouched);

        await _store.ExecuteAsync("UPDATE kms_audit_checkpoints SET time = time + 1 WHERE sequence = 256");
        await FindsAsync(256, "altered");
        await RestoreAsync(untouched);

        await _store.ExecuteAsync("UPDATE kms_audit_checkpoints SET sequence = 300 WHERE sequence = 256");
        await FindsAsync(256, "moved");
        await RestoreAsync(untouched);

        await _store.ExecuteAsync(
            "INSERT INTO kms_audit_checkpoints (sequence, time, hash, signature) "
                + "SELECT 9999, time, hash, signature FROM kms_audit_checkpoints WHERE sequence = 256");
        var stray = await _kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation);
        Assert.False(stray.IsIntact);
        Assert.Contains("9999", stray.Fault);
        await RestoreAsync(untouched);

        await _store.ExecuteAsync("UPDATE kms_audit_key SET public_key = {0}", AnotherPublicKey());
        Assert.False((await _kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation)).IsIntact);
    }

    [Fact]
    public async Task Store_that_was_put_back_is_found_with_a_checkpoint_kept_elsewhere()
    {
        var early = await _kms.Audit.CheckpointAsync(TestKms.Cancellation);
        var old = await SnapshotAsync();
        await _store.AppendAsync(20);
        var late = LocalKmsAuditCheckpoint.Parse((await _kms.Audit.CheckpointAsync(TestKms.Cancellation))!.ToString());
        Assert.True((await _kms.Audit.VerifyAsync(late, TestKms.Cancellation)).IsIntact);

        await RestoreAsync(old);

        Assert.True((await _kms.Audit.VerifyAsync(early, TestKms.Cancellation)).IsIntact);
        var rolledBack = await _kms.Audit.VerifyAsync(late, TestKms.Cancellation);
        Assert.False(rolledBack.IsIntact);
        Assert.Contains("older copy", rolledBack.Fault);
        Assert.NotNull(rolledBack.FirstBadSequence);

        // And after it went on from there, so that there are as many events again.
        await _store.AppendAsync(30);
        Assert.True((await _kms.Audit.VerifyAsync(early, TestKms.Cancellation)).IsIntact);
        var diverged = await _kms.Audit.VerifyAsync(late, TestKms.Cancellation);
        Assert.Equal((false, late.Sequence), (diverged.IsIntact, diverged.FirstBadSequence));
    }

    [Fact]
    public async Task Checkpoint_of_another_KMS_is_not_taken()
    {
        using var other = new TestKms();
        using var elsewhere = await other.CreateAsync();
        var foreign = await elsewhere.Audit.CheckpointAsync(TestKms.Cancellation);

        var report = await _kms.Audit.VerifyAsync(foreign, TestKms.Cancellation);

        Assert.False(report.IsIntact);
        Assert.Contains("not signed", report.Fault);
        foreach (var text in (string[])["", "[]", "{", "{\"type\":\"event\"}", "{\"type\":7}", "\ud800", "{\"type\":\"checkpoint\",\"kms\":\"\\ud800\"}"])
            Assert.Equal(LocalKmsAuditMessages.NoCheckpoint(), Assert.Throws<FormatException>(() => LocalKmsAuditCheckpoint.Parse(text)).Message);
    }

    [Fact]
    public async Task Export_from_the_middle_signs_no_history_that_was_made_up()
    {
        var end = (await _kms.Audit.QueryAsync(new LocalKmsAuditQuery(), TestKms.Cancellation))[^1].Sequence;
        await using (var db = _store.Place.CreateContext())
        {
            // The plain hashes need no seal: those of a made-up beginning, and after it of all events that are genuine.
            var hash = System.Security.Cryptography.SHA256.HashData("made up"u8);
            var id = await db.Meta.Select(m => m.KmsId).SingleAsync(TestKms.Cancellation);
            foreach (var row in await db.Set<AuditEventRow>().AsTracking().Where(e => e.Sequence >= 5).OrderBy(e => e.Sequence)
                .ToListAsync(TestKms.Cancellation))
            {
                if (row.Sequence > 5)
                {
                    Assert.True(EfEnvelope.Kms.Local.Sealing.ContextJson.TryRead(row.Context, out var context));
                    hash = AuditChain.Hash(hash, AuditChain.Event(id, row, context));
                }

                row.Hash = hash;
            }

            await db.SaveChangesAsync(TestKms.Cancellation);
        }

        using var lines = new StringWriter();
        var refused = await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => _kms.Audit.ExportAsync(lines, from: 6, to: end, TestKms.Cancellation));

        Assert.Contains("was altered", refused.Message);
        Assert.Empty(lines.ToString());
    }

    [Fact]
    public async Task Export_from_the_middle_starts_at_a_checkpoint_that_is_genuine()
    {
        await _store.AppendAsync(600);
        foreach (var from in new[] { 256L, 257, 258, 400, 513 })
        {
            using var lines = new StringWriter();
            Assert.Equal(615 - from, await _kms.Audit.ExportAsync(lines, from, 614, TestKms.Cancellation));
        }

        await _store.ExecuteAsync("UPDATE kms_audit_checkpoints SET time = time + 1 WHERE sequence = 256");
        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => _kms.Audit.ExportAsync(TextWriter.Null, 300, 310, TestKms.Cancellation));
    }

    private static byte[] AnotherPublicKey()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        return key.ExportSubjectPublicKeyInfo();
    }

    private async Task FindsAsync(long first, string what)
    {
        var report = await _kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation);
        Assert.False(report.IsIntact, what);
        Assert.True(report.FirstBadSequence == first, $"{what}: {report.FirstBadSequence} for {first}, {report.Fault}");
        Assert.NotNull(report.Fault);
    }

    private async Task FlipAsync(string column, long sequence)
    {
        await using var db = _store.Place.CreateContext();
        var row = await db.Set<AuditEventRow>().AsNoTracking().SingleAsync(e => e.Sequence == sequence, TestKms.Cancellation);
        object value = column switch
        {
            "sequence" => row.Sequence + 1000,
            "time" => row.Time + 1,
            "key_version" => (row.KeyVersion ?? 0) + 1,
            "hash" => Flip(row.Hash),
            "keyed_hash" => Flip(row.KeyedHash),
            "context" => row.Context + " ",
            _ => "x",
        };
        Assert.Equal(1, await _store.ExecuteAsync($"UPDATE kms_audit_events SET {column} = {{0}} WHERE sequence = {{1}}", value, sequence));

        static byte[] Flip(byte[] bytes) => [(byte)(bytes[0] ^ 1), .. bytes[1..]];
    }

    private Task MoveAsync(long from, long to) => _store.ExecuteAsync("UPDATE kms_audit_events SET sequence = {0} WHERE sequence = {1}", to, from);

    private Task CopyAsync(long from, long to)
    {
        var others = string.Join(", ", Columns[1..]);
        return _store.ExecuteAsync(
            $"INSERT INTO kms_audit_events (sequence, {others}) SELECT CAST({{0}} AS BIGINT), {others} FROM kms_audit_events WHERE sequence = {{1}}",
            to,
            from);
    }

    private async Task<object[]> SnapshotAsync()
    {
        await using var db = _store.Place.CreateContext();
        return
        [
            .. await db.Set<AuditEventRow>().AsNoTracking().ToListAsync(TestKms.Cancellation),
            .. await db.Set<AuditHeadRow>().AsNoTracking().ToListAsync(TestKms.Cancellation),
            .. await db.Set<AuditCheckpointRow>().AsNoTracking().ToListAsync(TestKms.Cancellation),
            .. await db.Set<AuditKeyRow>().AsNoTracking().ToListAsync(TestKms.Cancellation),
        ];
    }

    private async Task RestoreAsync(object[] rows)
    {
        await using var db = _store.Place.CreateContext();
        await db.Set<AuditEventRow>().ExecuteDeleteAsync(TestKms.Cancellation);
        await db.Set<AuditHeadRow>().ExecuteDeleteAsync(TestKms.Cancellation);
        await db.Set<AuditCheckpointRow>().ExecuteDeleteAsync(TestKms.Cancellation);
        await db.Set<AuditKeyRow>().ExecuteDeleteAsync(TestKms.Cancellation);
        db.AddRange(rows);
        await db.SaveChangesAsync(TestKms.Cancellation);
    }

    private protected abstract Task<TamperStore> CreateStoreAsync();
}

public sealed class SqliteAuditTamperTests : AuditTamperTests
{
    private protected override Task<TamperStore> CreateStoreAsync() => Task.FromResult<TamperStore>(new SqliteTamperStore());
}

public sealed class PostgresAuditTamperTests : AuditTamperTests
{
    protected override int Iterations => 40;

    private protected override async Task<TamperStore> CreateStoreAsync() => await PostgresTamperStore.NewAsync();
}
