using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

[Collection("SqlServer")]
public sealed class SqlServerJobIndexesTests() : JobIndexesSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobKeysTests() : JobKeysSpecification(new SqlServerTestDatabase())
{
    [Theory]
    [InlineData("datetime")]
    [InlineData("smalldatetime")]
    [InlineData("datetime2(7)")]
    [InlineData("datetime2(3)")]
    [InlineData("datetimeoffset(7)")]
    public Task Times(string type)
        => VisitAsync($"k {type} NOT NULL, n int NOT NULL", "k, n", i => $"DATEADD({(type[0] == 's' ? "minute" : "millisecond")}, "
            + $"{i % 5 * 10}, CAST('2024-01-02T03:04:05.123' AS datetime2(7))), {i}");

    [Fact]
    public Task Many_equal_times() => VisitAsync("k datetime2(7) NOT NULL, n int NOT NULL", "k, n", i => $"'2024-01-02T03:04:05.1234567', {i}");

    [Fact]
    public Task Times_of_a_day() => VisitAsync("k time(7) NOT NULL", "k", i => $"'03:04:05.00000{i:00}'");

    [Fact]
    public Task Texts_of_another_code_page_than_that_of_the_database()
        => VisitAsync("k varchar(20) COLLATE Cyrillic_General_CI_AS NOT NULL", "k", i => $"N'ключ {i}'");
}

[Collection("SqlServer")]
public sealed class SqlServerJobMemoryTests() : JobMemorySpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobPlanningTests() : JobPlanningSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobRacesTests() : JobRacesSpecification(new SqlServerTestDatabase())
{
    protected override string CaselessText => "nvarchar(200) COLLATE Latin1_General_CI_AI";
}

[Collection("SqlServer")]
public sealed class SqlServerJobResumptionTests() : JobResumptionSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobTransformsTests() : JobTransformsSpecification(new SqlServerTestDatabase())
{
    [Fact]
    public async Task Characters_outside_the_code_page_of_a_column_stay_encrypted()
    {
        await SqlAsync("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v nvarchar(400)); INSERT INTO t VALUES (1, N'Łódź Привет 😀'), (2, "
            + "N'naïve')");
        await RunAsync(Backfill());
        await SqlAsync("ALTER TABLE t ALTER COLUMN v varchar(400) COLLATE SQL_Latin1_General_CP1_CI_AS");
        await AssertRefusedAsync(Decrypt(), "v", 1, 1);
        Assert.Equal("naïve", (await ColumnAsync("t", "v", "id"))[1]);
    }

    [Fact]
    public async Task A_column_of_another_code_page_than_the_database_is_encrypted_and_decrypted()
    {
        await SqlAsync("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v varchar(400) COLLATE Cyrillic_General_CI_AS); INSERT INTO t "
            + "VALUES (1, N'Привет')");
        AssertCompleted(await RunAsync(Backfill()), 1);
        AssertCompleted(await RunAsync(Decrypt()), 1);
        Assert.Equal(["Привет"], await ColumnAsync("t", "v", "id"));
    }

    [Fact]
    public async Task Four_decimals_of_money_are_kept()
    {
        await SqlAsync("CREATE TABLE t (id int NOT NULL PRIMARY KEY, n money, m smallmoney); INSERT INTO t VALUES (1, 1.2345, -0.0001)");
        foreach (var column in new[] { "n", "m" })
        {
            AssertCompleted(await RunAsync(Backfill(column: column) with { Into = $"{column}e", PlaintextType = "decimal" }), 1);
            AssertCompleted(await RunAsync(Decrypt(column: $"{column}e") with { Into = $"{column}p" }), 1);
        }

        Assert.Equal([1], await Database.QueryAsync("SELECT id FROM t WHERE n = np AND m = mp"));
    }

    [Theory]
    [InlineData("THROW 50001, 'no', 1")]
    [InlineData("ROLLBACK TRANSACTION")]
    [InlineData("DECLARE @i int = CAST('x' AS int)")]
    [InlineData("DECLARE @d datetime = CAST('x' AS datetime)")]
    public async Task A_row_whose_refusal_ends_the_transaction_is_listed_and_the_others_are_written(string statement)
    {
        await SqlAsync("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v nvarchar(max))");
        await SqlAsync($"INSERT INTO t VALUES {string.Join(", ", Enumerable.Range(1, 20).Select(i => $"({i}, 'value {i}')"))}");
        await SqlAsync($"CREATE TRIGGER g ON t AFTER UPDATE AS IF EXISTS (SELECT 1 FROM inserted WHERE id = 7) BEGIN {statement}; END");
        var job = await RunAsync(Backfill());
        AssertCompleted(job, 19, refused: 1);
        Assert.Equal("7", Assert.Single(await Encrypted.Jobs.GetFindingsAsync(job.Id)).Key);
    }

    [Fact]
    public async Task The_plan_says_that_a_temporal_table_keeps_what_is_overwritten()
    {
        await SqlAsync("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v nvarchar(max), a datetime2 GENERATED ALWAYS AS ROW START NOT "
            + "NULL, b datetime2 GENERATED ALWAYS AS ROW END NOT NULL, PERIOD FOR SYSTEM_TIME (a, b)) WITH (SYSTEM_VERSIONING = ON)");
        Assert.Contains((await Encrypted.Jobs.PlanAsync(Backfill())).Warnings, w => w.Contains("temporal table", StringComparison.Ordinal));
        await SqlAsync("ALTER TABLE t SET (SYSTEM_VERSIONING = OFF)");
        Assert.DoesNotContain((await Encrypted.Jobs.PlanAsync(Backfill())).Warnings, w => w.Contains("temporal table", StringComparison.Ordinal));
    }
}

[Collection("SqlServer")]
public sealed class SqlServerStrayTablesTests() : EngineSpecification(new SqlServerTestDatabase())
{
    [Fact]
    public async Task A_version_is_not_retired_while_a_table_with_a_column_of_type_text_holds_its_envelopes()
    {
        await SqlAsync("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v nvarchar(max)); INSERT INTO t VALUES (1, 'one')");
        await RunAsync(Backfill());
        await SqlAsync("CREATE TABLE old (id int NOT NULL PRIMARY KEY, w text, n ntext); INSERT INTO old SELECT id, v, v FROM t");
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Columns = [] });
        await Task.Delay(TimeSpan.FromSeconds(1.2));
        var report = await Encrypted.Keys.RetireAsync(new KeyVersion(Scope, 1));
        Assert.Equal([new VersionReference("old.w", 1), new VersionReference("old.n", 1)], report.References);
    }
}

[Collection("SqlServer")]
public sealed class SqlServerJobTypesTests() : JobTypesSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerKeyAdministrationTests() : KeyAdministrationSpecification(new SqlServerTestDatabase());
