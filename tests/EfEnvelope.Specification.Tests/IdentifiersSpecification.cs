using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Names of schemas, tables and columns that would be SQL if anything but the dialect quoted them.</summary>
public abstract class IdentifiersSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private static readonly string[] Parts = ["]", "[", "\"", "'", "`", "{", "}", "{0}", ";", "--", "/*", "%", "_", "\n", "\\", "$$", "@p0", "?", ":", " ", ".", "ü", "x"];

    public static TheoryData<string> Names =>
    [
        "a];CREATE TABLE public.pwned(i int);--", "a\";CREATE TABLE pwned(i int);--", "a';CREATE TABLE pwned(i int);--", "[Id]", "{0}", "{", "}} {{", "100%", "a\nb",
        "@p0 @p1 $1 ?", "a.b", "\"", new string(']', 63),
    ];

    /// <summary>Gets whether the server has schemas; where it has none, the name of one is left out.</summary>
    protected virtual bool HasSchemas => true;

    [Theory]
    [MemberData(nameof(Names))]
    public Task Every_job_works_on_a_schema_a_table_and_a_column_of_this_name(string name) => RunAllAsync(name, name, name);

    [Fact]
    public async Task Every_job_works_whatever_characters_the_names_are_made_of()
    {
        var random = new Random(23);
        for (var i = 0; i < 4; i++)
            await RunAllAsync(Make(random), Make(random), Make(random));
    }

    private static string Make(Random random) => string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => Parts[random.Next(Parts.Length)]));

    private static string Q(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private async Task RunAllAsync(string schema, string table, string column)
    {
        var full = HasSchemas ? $"{Q(schema)}.{Q(table)}" : Q(table);
        if (HasSchemas)
            await Database.QueryAsync($"CREATE SCHEMA {Q(schema)}");
        await Database.QueryAsync($"CREATE TABLE {full} (\"Id\" integer PRIMARY KEY, {Q(column)} varchar(1000) NULL)");
        await Database.QueryAsync($"INSERT INTO {full} VALUES (1, 'one'), (2, 'two')");
        var encrypted = EncryptedDatabase.Open(Options<RegistrationContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1) })), schema);
        await using (encrypted)
        {
            var jobs = encrypted.Jobs;
            var request = new JobRequest { Kind = JobKind.Backfill, Schema = schema, Table = table, Columns = [column] };
            var job = await jobs.EnqueueAsync(await jobs.PlanAsync(request));
            Assert.Equal(JobState.Paused, (await jobs.PauseAsync(job.Id)).State);
            Assert.Equal(JobState.Pending, (await jobs.ResumeAsync(job.Id)).State);
            await jobs.ThrottleAsync(job.Id, new Throttle { DutyCycle = 1 });
            await RunAsync(jobs, job.Id);

            var stored = await Database.QueryAsync($"SELECT {Q(column)} FROM {full}");
            Assert.All(stored, v => Assert.StartsWith("efenvelope:v1:", (string)v!, StringComparison.Ordinal));
            var mapped = Assert.Single((await encrypted.ReadMapAsync()).Columns);
            Assert.Equal((table, column), (mapped.Table, mapped.Column));
            Assert.Equal(2, Assert.Single(await encrypted.Scans.GetStatusAsync()).ByKeyNumber[1]);
            Assert.Equal((2L, true), await encrypted.Scans.VerifyAsync() is var report ? (report.Opened, report.IsClean) : default);
            Assert.DoesNotContain(await encrypted.Scans.DiagnoseAsync(), d => d.Severity == DiagnosisSeverity.Error);

            await encrypted.Keys.RotateAsync(new KeyScope("default"), TimeSpan.Zero, includeSearch: true);
            await RunAsync(jobs, (await jobs.EnqueueAsync(await jobs.PlanAsync(request with { Kind = JobKind.Reencrypt }))).Id);
            Assert.True((await encrypted.Keys.RetireAsync(new KeyVersion(new KeyScope("default"), 1))).IsRetired);
            var cancelled = await jobs.EnqueueAsync(await jobs.PlanAsync(request with { Kind = JobKind.Decrypt }));
            Assert.Equal(JobState.Cancelled, (await jobs.CancelAsync(cancelled.Id))?.State);
            await RunAsync(jobs, (await jobs.EnqueueAsync(await jobs.PlanAsync(request with { Kind = JobKind.Decrypt }))).Id);
            Assert.Equal(["one", "two"], await Database.QueryAsync($"SELECT {Q(column)} FROM {full} ORDER BY \"Id\""));
            Assert.Equal(4, (await jobs.ListAsync()).Count);
            Assert.Empty(await jobs.GetFindingsAsync(job.Id));
        }

        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => Database.QueryAsync("SELECT 1 FROM pwned"));
        if (!HasSchemas)
            await DropAllAsync();
    }

    private async Task DropAllAsync()
    {
        foreach (var name in await Database.QueryAsync("SELECT name FROM sqlite_master WHERE type = 'table'"))
            await Database.QueryAsync($"DROP TABLE {Q((string)name!)}");
    }

    private static async Task RunAsync(JobEngine jobs, long id)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var job = Assert.Single(await jobs.RunAsync([id], cancellationToken: limit.Token));
        Assert.Equal((JobState.Completed, null, 0L), (job.State, job.Reason, job.RowsRefused));
    }
}
