using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

/// <summary>What is wrong with the command line itself is said before anything is opened.</summary>
public class CommandLineTests
{
    [Theory]
    [InlineData("status")]
    [InlineData("keys list")]
    [InlineData("keys create")]
    [InlineData("keys rotate")]
    [InlineData("keys rewrap")]
    [InlineData("keys disable")]
    [InlineData("keys enable")]
    [InlineData("keys retire")]
    [InlineData("keys destroy")]
    [InlineData("reencrypt")]
    [InlineData("backfill")]
    [InlineData("decrypt")]
    [InlineData("reindex")]
    [InlineData("jobs list")]
    [InlineData("jobs show")]
    [InlineData("jobs run")]
    [InlineData("jobs pause")]
    [InlineData("jobs resume")]
    [InlineData("jobs cancel")]
    [InlineData("jobs throttle")]
    [InlineData("verify")]
    [InlineData("inspect")]
    [InlineData("doctor")]
    [InlineData("keys shred")]
    [InlineData("cost")]
    [InlineData("audit verify")]
    [InlineData("audit export")]
    [InlineData("audit checkpoint")]
    [InlineData("audit public-key")]
    [InlineData("kms keys list")]
    [InlineData("kms keys create")]
    [InlineData("kms keys delete")]
    [InlineData("kms principals create")]
    [InlineData("kms policies set")]
    [InlineData("kms grants add")]
    [InlineData("kms simulate")]
    [InlineData("kms seals add")]
    [InlineData("kms backup")]
    [InlineData("kms restore")]
    public async Task Every_command_explains_itself(string command)
    {
        var result = (await Tool.RunAsync([.. command.Split(' '), "--help"])).Exits(0);

        Assert.Contains($"efenvelope {command}", result.Out, StringComparison.Ordinal);
        Assert.Contains("--json", result.Out, StringComparison.Ordinal);
        Assert.Equal("", result.Error);
    }

    [Theory]
    [InlineData("statsu", "'statsu' is not a command", "efenvelope --help")]
    [InlineData("keys destory clinic:v1", "'destory' is not a command", "efenvelope keys --help")]
    [InlineData("status --jsno", "'--jsno' is not a command, an argument or an option", "efenvelope status --help")]
    [InlineData("keys", "Required command was not provided", "efenvelope keys --help")]
    [InlineData("keys retire", "Required argument missing for command: 'retire'", "efenvelope keys retire --help")]
    [InlineData("backfill", "Required argument missing for command: 'backfill'", "efenvelope backfill --help")]
    public async Task Unknown_or_missing_words_exit_with_2_and_name_the_help(string line, string error, string hint)
        => (await Tool.RunAsync(line.Split(' '))).Fails(2, error, hint);

    [Theory]
    [InlineData("reencrypt --rows-per-second 0", "'--rows-per-second' is '0'", "whole number, 1 or more")]
    [InlineData("reencrypt --rows-per-second fast", "'--rows-per-second' is 'fast'", "whole number, 1 or more")]
    [InlineData("reencrypt --duty-cycle 0", "'--duty-cycle' is '0'", "above 0 and up to 1")]
    [InlineData("reencrypt --duty-cycle 1.5", "'--duty-cycle' is '1.5'", "above 0 and up to 1")]
    [InlineData("reencrypt --duty-cycle 0,5", "'--duty-cycle' is '0,5'", "above 0 and up to 1")]
    [InlineData("reencrypt --max-latency 0", "'--max-latency' is '0'", "'200ms'")]
    [InlineData("reencrypt --max-latency 5x", "'--max-latency' is '5x'", "'200ms'")]
    [InlineData("reencrypt --window 22-06", "'--window' is '22-06'", "'22:00-06:00'")]
    [InlineData("reencrypt --window 22:00-22:00", "'--window' is '22:00-22:00'", "differ")]
    [InlineData("reencrypt --window 25:00-06:00", "'--window' is '25:00-06:00'", "'22:00-06:00'")]
    [InlineData("reencrypt --workers 0", "'--workers' is '0'", "from 1 to 64")]
    [InlineData("reencrypt --batch-size 501", "'--batch-size' is '501'", "from 1 to 500")]
    [InlineData("reencrypt --range-size 0", "'--range-size' is '0'", "whole number from 1")]
    [InlineData("reencrypt --mode secret", "'--mode' is 'secret'", "'randomized' or 'deterministic'")]
    [InlineData("reencrypt --column Ssn", "No table is named", "--table")]
    [InlineData("reencrypt --table a.b.c", "'a.b.c' is not a table", "schema.Table")]
    [InlineData("reencrypt --table T --column A --column B --context x", "about one column", "Name one column")]
    [InlineData("reencrypt clinic --scope other", "Two key scopes are named", "Name one")]
    [InlineData("reencrypt -clinic-", "'-clinic-' is not a key scope", "'keys list'")]
    [InlineData("verify cl!nic", "'cl!nic' is not a key scope", "'keys list'")]
    [InlineData("backfill Phone", "'Phone' is not a column", "Table.Column")]
    [InlineData("backfill A.x B.y", "several tables", "once for each")]
    [InlineData("backfill A.x A.y --into z", "about one column", "Name one column")]
    [InlineData("keys retire clinic", "'clinic' is not a key version", "clinic:v1")]
    [InlineData("keys retire clinic:v0", "'clinic:v0' is not a key version", "clinic:v1")]
    [InlineData("keys rotate --activation-delay soon", "'--activation-delay' is 'soon'", "'2h'")]
    [InlineData("jobs show one", "'one' is not the number of a job", "'jobs list' shows")]
    [InlineData("jobs throttle 1", "Nothing of the throttle is to be changed", "--rows-per-second")]
    [InlineData("jobs throttle 1 --window never", "'--window' is 'never'", "'none'")]
    [InlineData("status --provider sqlite --connection X=1 --progress loud", "'--progress' is 'loud'", "'auto', 'plain', 'json' or 'none'")]
    public async Task Malformed_values_exit_with_2_and_show_the_form(string line, string error, string hint)
        => (await Tool.RunAsync(line.Split(' '))).Fails(2, error, hint);

    [Theory]
    [InlineData("--connection", "Host=db;Username=dba;Password=hunter2")]
    [InlineData("--connection", "Server=db;User Id=dba;pwd=hunter2")]
    [InlineData("--connection", "Password=hunter2;;=broken='")]
    [InlineData("--password", "hunter2")]
    [InlineData("--kms-passphrase", "hunter2")]
    public async Task A_password_on_the_command_line_is_refused_and_not_repeated(string option, string value)
    {
        var result = (await Tool.RunAsync("status", "--provider", "postgresql", option, value))
            .Fails(2, "password or passphrase does not belong on the command line", "EFENVELOPE_CONNECTION or 'efenvelope.json'");

        Assert.DoesNotContain("hunter2", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_column_may_be_called_password()
    {
        var result = (await Tool.RunAsync("backfill", "Users.Password", "--bogus")).Exits(2);

        Assert.Contains("'--bogus' is not", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_are_not_read_as_arguments()
        => (await Tool.RunAsync("@arguments.txt")).Fails(2, "'@arguments.txt' is not a command", "--help");

    [Theory]
    [InlineData("T.c", "", "T", "c")]
    [InlineData("s.T.c", "s", "T", "c")]
    [InlineData("\"a.b\".c", "", "a.b", "c")]
    [InlineData("\"s.1\".\"T \"\"x\"\"\".\"c.d\"", "s.1", "T \"x\"", "c.d")]
    public void Names_with_dots_are_quoted(string text, string schema, string table, string column)
        => Assert.Equal((schema, table, column), Names.ParseColumn(text));

    [Theory]
    [InlineData("")]
    [InlineData("T.")]
    [InlineData(".c")]
    [InlineData("\"T.c")]
    [InlineData("\"T\"x.c")]
    [InlineData("T..c")]
    [InlineData("\"\".c")]
    public void Malformed_names_are_refused(string text) => Assert.Throws<EnvelopeConfigurationException>(() => Names.ParseColumn(text));

    [Theory]
    [InlineData("200ms", 200)]
    [InlineData("1s", 1000)]
    [InlineData("250", 250)]
    [InlineData("00:00:02", 2000)]
    public void Durations_have_units(string text, int milliseconds)
        => Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), Durations.Parse("x", text, defaultUnit: "ms"));

    [Theory]
    [InlineData("250")]
    [InlineData("-1s")]
    [InlineData("999999999999d")]
    [InlineData("1.5s")]
    public void Durations_without_a_unit_are_refused_where_none_is_meant(string text)
        => Assert.Throws<EnvelopeConfigurationException>(() => Durations.Parse("x", text));
}
