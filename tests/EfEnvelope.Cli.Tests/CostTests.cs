using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

/// <summary>What KMSes cost in a month: numbers as the database has them, and by a price list that the user writes.</summary>
public sealed class CostTests : ServerTests<SqliteWorld>
{
    private const string Prices =
        """{ "currency": "USD", "kms": { "aws-kms": { "perKeyPerMonth": 1.00, "per10000Requests": 0.03, "freeRequestsPerMonth": 20000 }, "vault-transit": { "per10000Requests": 5 } } }""";

    // Half of November has passed.
    private static readonly DateTimeOffset Now = new(2026, 11, 16, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Without_a_price_list_requests_and_keys_are_shown_alone()
    {
        await MeasuredAsync();

        var result = (await RunAsync("cost")).Exits(0);

        Assert.Equal(
            [
                "month\t2026-11", "elapsed\t50%", "keys\t1", "kek\toperation\trequests measured\trequests in the whole month",
                "aws-kms:alias/clinic\tunwrap\t30,000\t60,000", "aws-kms:alias/clinic\twrap\t12\t24", "vault-transit:transit/old\tunwrap\t1\t2",
            ],
            result.Lines);
        Assert.Contains("efenvelope: no price list is given, so requests and keys are shown alone. Add '--prices'.", result.ErrorLines);
        Assert.Contains(result.ErrorLines, l => l.Contains("(50% of it has passed)", StringComparison.Ordinal));
        Assert.Contains("instances count their requests when they read their key ring", result.ErrorLines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_price_list_gives_exact_sums_for_the_whole_month()
    {
        await MeasuredAsync();
        Write(Prices);

        var lines = (await RunAsync("cost", "--prices", "prices.json")).Exits(0).Lines;

        // 60,024 requests, of which 20,000 are free: 40,024 / 10,000 × 0.03.
        Assert.Contains("aws-kms\t1\t60,024\t20,000\t40,024\t1.00\t0.120072\t1.120072", lines);
        Assert.Contains("vault-transit\t0\t2\t0\t2\t0.00\t0.001\t0.001", lines);
        Assert.Equal("total\t1.121072 USD", lines[^1]);
    }

    [Fact]
    public async Task A_month_that_is_over_counts_as_it_was_measured()
    {
        await MeasuredAsync();
        Write(Prices);

        var report = (await RunAsync("cost", "--prices", "prices.json", "--month", "2026-10", "--json")).Exits(0).Json;

        Assert.Equal(1m, report.GetProperty("elapsed").GetDecimal());
        var request = Assert.Single(report.GetProperty("requests").EnumerateArray());
        Assert.Equal((20001L, 20001L), (request.GetProperty("measured").GetInt64(), request.GetProperty("wholeMonth").GetInt64()));
        Assert.Equal(1.000003m, report.GetProperty("total").GetDecimal());
    }

    [Fact]
    public async Task A_whole_kek_uri_goes_before_its_scheme_and_what_has_no_price_is_named()
    {
        await MeasuredAsync();
        Write("""{ "currency": "EUR", "kms": { "aws-kms:alias/clinic": { "perKeyPerMonth": 0.9 }, "aws-kms": { "perKeyPerMonth": 7 } } }""");

        var result = (await RunAsync("cost", "--prices", "prices.json")).Exits(0);

        Assert.Equal("total\t0.90 EUR", result.Lines[^1]);
        Assert.Contains("efenvelope: the price list has nothing for 'vault-transit:transit/old'; it is not in the sum.", result.ErrorLines);
    }

    [Theory]
    [InlineData("""{ "currency": "USD", "kms": { "aws-kms": { "perKeyPermonth": 1 } } }""", "at 'aws-kms.perKeyPermonth'")]
    [InlineData("""{ "currency": "USD", "kms": { "aws-kms": { "perKeyPerMonth": -1 } } }""", "at 'aws-kms.perKeyPerMonth'")]
    [InlineData("""{ "currency": "USD", "kms": { "aws-kms": { "per10000Requests": "0.03" } } }""", "at 'aws-kms.per10000Requests'")]
    [InlineData("""{ "currency": "USD", "prices": {}, "kms": {} }""", "at 'prices'")]
    [InlineData("""{ "currency": "USD", "kms": { "aws-kms": {}, "aws-kms": {} } }""", "not as it should be")]
    [InlineData("""{ "kms": {} }""", "not as it should be")]
    [InlineData("""[]""", "not as it should be")]
    public async Task A_price_that_was_mistyped_is_refused(string prices, string error)
    {
        Write(prices);

        (await RunAsync("cost", "--prices", "prices.json")).Fails(2, error, "perKeyPerMonth");
    }

    [Theory]
    [InlineData("2026-13")]
    [InlineData("2026-12")]
    [InlineData("november")]
    public async Task A_month_that_has_not_begun_is_refused(string month)
        => (await RunAsync("cost", "--month", month)).Fails(2, "'--month' is", "'2026-11'");

    private async Task MeasuredAsync()
    {
        await World.FillAsync();
        await World.ExecuteAsync("""UPDATE "__EnvelopeKeys" SET "WrappedKey" = replace("WrappedKey", 'local:efenvelope', 'aws-kms:alias/clinic')""");
        await World.ExecuteAsync("""DELETE FROM "__EnvelopeUsage" WHERE "Scope" = '~kms'""");
        await World.ExecuteAsync(
            """
            INSERT INTO "__EnvelopeUsage" ("Scope", "Version", "Field", "Reserved") VALUES
                ('~kms', 202611, 'unwrap aws-kms:alias/clinic', 30000), ('~kms', 202611, 'wrap aws-kms:alias/clinic', 12),
                ('~kms', 202611, 'unwrap vault-transit:transit/old', 1), ('~kms', 202610, 'unwrap aws-kms:alias/clinic', 20001)
            """);
    }

    private void Write(string prices) => File.WriteAllText(Path.Combine(World.Directory, "prices.json"), prices);

    private async Task<ToolResult> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var host = new ToolHost { Out = output, Error = error, Environment = World.Environment, Directory = World.Directory, TimeProvider = new FixedTime() };
        return new ToolResult(await ToolApp.RunAsync(args, host, TestContext.Current.CancellationToken), output.ToString(), error.ToString());
    }

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Now;
    }
}
