using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteJobKeysTests() : JobKeysSpecification(new SqliteTestDatabase())
{
    [Fact]
    public Task Keys_that_differ_in_case_only_to_their_collation() => VisitAsync("k text COLLATE NOCASE NOT NULL", "k", i => Text($"{(i % 2 == 0 ? "KEY" : "key")}{i}"));

    [Fact]
    public Task Guids_as_text_and_as_bytes() => VisitAsync("a text NOT NULL, b blob NOT NULL", "a, b", i => $"'{new Guid(i, 1, 2, new byte[8])}', x'{i:X2}00FF'");

    [Fact]
    public Task Real_numbers() => VisitAsync("k real NOT NULL", "k", i => $"{(i * 37 % 61) - 30}.1");

    [Fact]
    public Task A_table_without_row_ids() => VisitAsync("k text NOT NULL, n integer NOT NULL", "k, n", i => $"'k', {i}");

    [Fact]
    public Task Values_of_several_types_in_one_key() => VisitAsync("k NOT NULL", "k", i => (i % 4) switch { 0 => $"{i}", 1 => $"{i}.5", 2 => $"'{i}'", _ => $"x'{i:X2}'" });

    [Fact]
    public async Task A_key_that_holds_null_is_refused()
    {
        await SqlAsync("CREATE TABLE t (k text PRIMARY KEY, v text); INSERT INTO t VALUES (NULL, 'a'), ('x', 'b')");
        var refused = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Jobs.PlanAsync(Backfill()));
        Assert.Contains("holds null", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public Task Texts_with_a_NUL() => VisitAsync("k text NOT NULL", "k", i => $"CAST(x'62{i:X2}0062' AS text)");

    [Fact]
    public async Task A_key_that_is_no_UTF_8_fails_the_job_instead_of_going_round_for_ever()
    {
        await SqlAsync("CREATE TABLE t (k text NOT NULL PRIMARY KEY, v text); INSERT INTO t VALUES ('a', 'a'), (CAST(x'62FF62' AS text), 'b')");
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(30));
        var job = await EnqueueAsync(Backfill() with { BatchSize = 1 });
        Assert.Equal(Rotation.JobState.Failed, (await Encrypted.Jobs.RunAsync([job.Id], cancellationToken: limit.Token))[0].State);
    }

    [Fact]
    public async Task A_key_that_is_no_UTF_8_fails_the_job_instead_of_cutting_there_for_ever()
    {
        await SqlAsync("CREATE TABLE t (k text NOT NULL PRIMARY KEY, v text); INSERT INTO t VALUES ('a', 'a'), (CAST(x'62FF62' AS "
            + "text), 'b'), ('c', 'c')");
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var job = await EnqueueAsync(Backfill() with { RangeSize = 1 });
        job = (await Encrypted.Jobs.RunAsync([job.Id], cancellationToken: limit.Token))[0];
        Assert.Equal(Rotation.JobState.Failed, job.State);
        Assert.Contains("does not come back as it is stored", job.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public Task Times_as_EF_Core_stores_them()
        => VisitAsync(
            "a text NOT NULL, b text NOT NULL, c text NOT NULL", "a, b, c",
            i => $"'2024-01-0{1 + (i % 3)} 03:04:05.{i % 4}234567', '2024-01-01 00:00:0{i % 5}.0000001+02:00', '03:04:05.00000{i:00}'");

    [Fact]
    public Task Times_as_numbers() => VisitAsync("a real NOT NULL, b integer NOT NULL", "a, b", i => $"julianday('2024-01-01', "
        + $"'+{i / 7} seconds'), {1_700_000_000_000 + i}");
}

public sealed class PostgresJobKeysTests() : JobKeysSpecification(new PostgresTestDatabase())
{
    [Fact]
    public Task Guids() => VisitAsync("k uuid NOT NULL", "k", i => $"'{new Guid(i * 7919, (short)i, 2, new byte[8])}'");

    [Fact]
    public Task A_guid_and_an_integer() => VisitAsync("a uuid NOT NULL, b integer NOT NULL", "a, b", i => $"'{new Guid(i % 3, 0, 2, new byte[8])}', {i}");

    [Fact]
    public Task Bytes() => VisitAsync("k bytea NOT NULL", "k", i => $"'\\x{i * 3 % 61:x2}00'");

    [Fact]
    public Task Times_with_and_without_a_zone()
        => VisitAsync("a timestamp NOT NULL, b timestamptz NOT NULL", "a, b", i => $"'2020-01-01'::timestamp + interval '{i % 5} microseconds', '2020-01-01 12:00+03'::timestamptz - interval '{i} microseconds'");

    [Fact]
    public Task Many_equal_times() => VisitAsync("a timestamp NOT NULL, b integer NOT NULL", "a, b", i => $"'2024-01-02 03:04:05.123457', {i}");

    [Fact]
    public Task Times_of_a_day_and_dates_that_never_end()
        => VisitAsync(
            "a time NOT NULL, b timetz NOT NULL, c date NOT NULL, d timestamptz(0) NOT NULL", "a, b, c, d",
            i => $"'03:04:05.00000{i % 5}', '03:04:05.00000{i % 3}+0{i % 4}', "
                + $"'{(i % 3 == 0 ? "infinity" : $"2024-01-{1 + (i % 28):00}")}', "
                + $"'{(i % 4 == 0 ? "-infinity" : $"2024-01-02 03:04:{i:00}+02")}'");

    [Fact]
    public Task Addresses_bits_and_money()
        => VisitAsync("a inet NOT NULL, b macaddr NOT NULL, c bit(8) NOT NULL, d money NOT NULL, e boolean NOT NULL", "a, b, c, d, e", i => $"'10.0.{i % 3}.{i}', '08:00:2b:01:02:{i:x2}', {i}::bit(8), {i}.5::numeric::money, {(i % 2 == 0 ? "true" : "false")}");

    [Fact]
    public Task Intervals_numbers_and_ranges() => VisitAsync("a interval NOT NULL, b numeric NOT NULL, c int4range NOT NULL", "a, b, c", i => $"interval '{i % 3} months {i % 5} days', {i}.{i % 7}00, int4range({i}, {i + 9})");

    [Fact]
    public Task Floats() => VisitAsync("a double precision NOT NULL, b real NOT NULL", "a, b", i => i == 0 ? "'-Infinity', 'NaN'" : $"{i} / 3.0, {i} / 7.0");

    [Fact]
    public async Task Enums_domains_and_citext()
    {
        await SqlAsync("CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE \"Mood 'x'\" AS ENUM ('sad', 'o''k', 'Happy'); CREATE DOMAIN posint AS integer CHECK (VALUE >= 0); CREATE DOMAIN word AS text");
        await VisitAsync("a \"Mood 'x'\" NOT NULL, b posint NOT NULL, c word NOT NULL, d citext NOT NULL", "a, b, c, d", i => $"'{new[] { "sad", "o''k", "Happy" }[i % 3]}', {i % 4}, 'w{i % 5}', 'C{i}'");
    }

    [Fact]
    public Task Padded_texts() => VisitAsync("a char(10) NOT NULL, b \"char\" NOT NULL", "a, b", i => $"'k{i}', '{(char)('a' + (i % 26))}'");

    [Fact]
    public async Task Collations_of_the_ICU_that_ignore_case()
    {
        await SqlAsync("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
        await VisitAsync("k text COLLATE ci NOT NULL", "k", i => $"'{(i % 2 == 0 ? "KEY" : "key")}{i}'");
    }

    [Fact]
    public async Task A_table_in_another_schema()
    {
        await SqlAsync("CREATE SCHEMA \"My Schema\"; CREATE TABLE t (x integer)");
        await VisitAsync("k integer NOT NULL", "k", i => $"{i}", schema: "My Schema");
    }

    [Fact]
    public async Task A_key_index_that_includes_a_column()
    {
        await SqlAsync("CREATE TABLE t (k integer NOT NULL, n integer, v text, PRIMARY KEY (k) INCLUDE (n)); INSERT INTO t VALUES (1, NULL, 'a'), (2, NULL, 'b')");
        AssertCompleted(await RunAsync(Backfill()), 2);
    }

    [Fact]
    public async Task A_partitioned_table()
    {
        await SqlAsync("CREATE TABLE t (k integer NOT NULL PRIMARY KEY, v text) PARTITION BY RANGE (k); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (30); CREATE TABLE t2 PARTITION OF t DEFAULT");
        await SqlAsync("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 60) i");
        AssertCompleted(await RunAsync(Backfill()), 60);
    }
}
