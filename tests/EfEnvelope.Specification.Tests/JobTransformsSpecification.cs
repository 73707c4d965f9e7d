using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What a job makes of values in place, and which rows it leaves alone.</summary>
public abstract class JobTransformsSpecification(TestDatabase database) : EngineSpecification(database)
{
    private static readonly string?[] Texts = ["", "ada", "efenvelope:v1:", "efenvelope:v1", "EFENVELOPE:V1:x", null, "ü 日本 😀", new string('x', 5000), "\n", "'; DROP TABLE t; --"];

    [Fact]
    public async Task Any_text_becomes_an_envelope_and_comes_back_as_it_was()
    {
        await MakeAsync(Texts);
        var job = await RunAsync(Backfill());
        AssertCompleted(job, Texts.Length - 2, refused: 1);
        var finding = Assert.Single(await Encrypted.Jobs.GetFindingsAsync(job.Id));
        Assert.Equal(("3", "v"), (finding.Key, finding.Column));
        var stored = await TextsAsync();
        Assert.Equal("efenvelope:v1:", stored[2]);
        AssertAllEncrypted(stored);

        await SqlAsync("UPDATE t SET v = NULL WHERE id = 3");
        AssertCompleted(await RunAsync(Decrypt()), Texts.Length - 2);
        Assert.Equal(Texts.Select(t => t == "efenvelope:v1:" ? null : t), await TextsAsync());
    }

    [Fact]
    public async Task A_plaintext_that_is_the_very_text_of_an_envelope_is_listed_and_not_taken_for_one()
    {
        var foreign = $"efenvelope:v1:{Convert.ToBase64String([0xF9, 0, 0, 0, 99, .. new byte[40]]).TrimEnd('=')}";
        await MakeAsync([foreign, "plain"]);
        var job = await RunAsync(Backfill());
        AssertCompleted(job, 1, refused: 1);
        Assert.Equal(foreign, (await TextsAsync())[0]);
        Assert.True(Assert.Single((await Encrypted.ReadMapAsync()).Columns).AllowsPlaintext);
    }

    [Fact]
    public async Task What_is_encrypted_already_is_neither_written_nor_encrypted_twice()
    {
        await MakeTextsAsync(30);
        await RunAsync(Backfill());
        var stored = await TextsAsync();
        AssertCompleted(await RunAsync(Backfill()), 0);
        Assert.Equal(stored, await TextsAsync());
    }

    [Fact]
    public async Task Another_mode_in_place_and_another_context_in_another_column()
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text)");
        await SqlAsync("INSERT INTO t VALUES (1, 'same'), (2, 'same'), (3, NULL), (4, '')");
        await RunAsync(Backfill());
        Assert.NotEqual((await TextsAsync())[0], (await TextsAsync())[1]);

        AssertCompleted(await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Mode = EncryptionMode.Deterministic }), 3);
        var stored = await TextsAsync();
        Assert.Equal(stored[0], stored[1]);
        Assert.Equal(EncryptionMode.Deterministic, Assert.Single((await Encrypted.ReadMapAsync()).Columns).Mode);

        AssertCompleted(await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Into = "w", Context = "Elsewhere.Value" }), 3);
        Assert.Contains((await Encrypted.ReadMapAsync()).Columns, c => c is { Column: "w", Field: "Elsewhere.Value" });
        AssertCompleted(await RunAsync(Decrypt() with { Columns = ["w"], Into = "p" }), 3);
        Assert.Equal(["same", "same", null, ""], await ColumnAsync("t", "p", "id"));
    }

    [Fact]
    public async Task Rows_that_do_not_open_are_listed_and_left_byte_for_byte()
    {
        await MakeTextsAsync(40);
        await RunAsync(Backfill());
        var foreign = (await TextsAsync())[9]!;
        var tampered = $"{foreign[..^3]}{(foreign[^3] == 'A' ? 'B' : 'A')}{foreign[^2..]}";
        var unknown = $"efenvelope:v1:{Convert.ToBase64String([0xF9, 0, 0, 0, 99, .. new byte[40]]).TrimEnd('=')}";
        await SqlAsync($"UPDATE t SET v = '{tampered}' WHERE id = 5; UPDATE t SET v = '{unknown}' WHERE id = 6; UPDATE t SET v = 'efenvelope:v1:!' WHERE id = 7");
        await SqlAsync("INSERT INTO t VALUES (50, 'in clear text', 0)");
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        var before = await TextsAsync();

        var job = await RunAsync(Backfill() with { Kind = JobKind.Reencrypt });

        AssertCompleted(job, 37, refused: 4);
        var findings = await Encrypted.Jobs.GetFindingsAsync(job.Id);
        Assert.Equal(["5", "6", "7", "50"], findings.Select(f => f.Key));
        Assert.All(findings, f => Assert.DoesNotContain("clear text", f.Reason, StringComparison.Ordinal));
        var after = await TextsAsync();
        foreach (var at in new[] { 4, 5, 6, 40 })
            Assert.Equal(before[at], after[at]);
        Assert.Equal(37, before.Zip(after).Count(p => p.First != p.Second));
        Assert.False((await Encrypted.Keys.RetireAsync(new KeyVersion(Scope, 1))).IsRetired);
    }

    [Fact]
    public async Task Rows_under_a_disabled_version_are_listed_and_converted_once_it_is_enabled()
    {
        await MakeTextsAsync(20);
        await RunAsync(Backfill());
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await SqlAsync($"UPDATE {Q("__EnvelopeKeys")} SET {Q("Status")} = 'disabled' WHERE {Q("Version")} = 1 AND {Database.OfApplications}");
        var before = await TextsAsync();
        AssertCompleted(await RunAsync(Backfill() with { Kind = JobKind.Reencrypt }), 0, refused: 20);
        Assert.Equal(before, await TextsAsync());

        await Encrypted.Keys.EnableAsync(new KeyVersion(Scope, 1));
        Assert.Equal(before, await TextsAsync());
        AssertCompleted(await RunAsync(Backfill() with { Kind = JobKind.Reencrypt }), 20);
    }

    [Fact]
    public async Task Rows_that_the_database_refuses_are_listed_and_the_others_of_their_batch_are_written()
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text CHECK (id <> 3 OR length(v) < 9))");
        await SqlAsync("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')");
        var job = await RunAsync(Backfill());
        AssertCompleted(job, 3, refused: 1);
        Assert.Equal("3", Assert.Single(await Encrypted.Jobs.GetFindingsAsync(job.Id)).Key);
        Assert.Equal("three", (await TextsAsync())[2]);
    }

    [Fact]
    public async Task Of_equal_values_under_a_new_unique_index_one_is_written()
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text)");
        await SqlAsync("INSERT INTO t VALUES (1, 'same'), (2, 'same'), (3, 'other'), (4, NULL), (5, NULL)");
        await EnqueueAndCancelAsync(Backfill() with { Into = "w", Mode = EncryptionMode.Deterministic });
        await SqlAsync("CREATE UNIQUE INDEX u ON t (w)");
        var job = await RunAsync(Backfill() with { Into = "w", Mode = EncryptionMode.Deterministic });
        AssertCompleted(job, 2, refused: 1);
        Assert.Equal("2", Assert.Single(await Encrypted.Jobs.GetFindingsAsync(job.Id)).Key);
    }

    [Fact]
    public async Task A_target_that_has_another_value_already_is_the_applications_and_listed()
    {
        await MakeTextsAsync(3);
        await RunAsync(Backfill());
        await SqlAsync("ALTER TABLE t ADD COLUMN p text");
        await SqlAsync("UPDATE t SET p = 'value 1' WHERE id = 1");
        await SqlAsync("UPDATE t SET p = 'changed' WHERE id = 2");
        AssertCompleted(await RunAsync(Decrypt() with { Into = "p" }), 1, refused: 1);
        Assert.Equal(["value 1", "changed", "value 3"], await ColumnAsync("t", "p", "id"));
    }

    /// <summary>Runs a job that some rows are refused of, for a reason that names the way out and not the value, and that stays
    /// encrypted.</summary>
    protected async Task AssertRefusedAsync(JobRequest request, string column, long written, params int[] refused)
    {
        var before = await ColumnAsync("t", request.Columns[0], "id");
        var job = await RunAsync(request);
        AssertCompleted(job, written, refused.Length);
        var findings = await Encrypted.Jobs.GetFindingsAsync(job.Id);
        Assert.Equal(refused.Select(i => ($"{i}", column)), findings.Select(f => (f.Key, f.Column)));
        Assert.All(findings, f => Assert.Contains("does not hold the value that was to be written as it is", f.Reason, StringComparison.Ordinal));
        var after = await ColumnAsync("t", request.Columns[0], "id");
        Assert.All(refused, i => Assert.Equal(before[i - 1], after[i - 1]));
        Assert.NotEmpty((await Encrypted.ReadMapAsync()).Columns);
    }

    protected async Task EnqueueAndCancelAsync(JobRequest request) => await Encrypted.Jobs.CancelAsync((await EnqueueAsync(request)).Id);

    protected async Task MakeAsync(string?[] values)
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text)");
        for (var i = 0; i < values.Length; i++)
            await SqlAsync($"INSERT INTO t VALUES ({i + 1}, {(values[i] is { } v ? $"'{v.Replace("'", "''", StringComparison.Ordinal)}'" : "NULL")})");
    }
}
