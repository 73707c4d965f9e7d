using EfEnvelope.Cli.Output;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli;

/// <summary>How output looks on a terminal and in a pipe.</summary>
public class OutputTests
{
    [Fact]
    public void Tables_have_boxes_on_a_terminal_and_tabs_in_a_pipe()
    {
        Assert.Contains('│', Write(terminal: true, c => c.Table(["a", "b"], [["1", "2"]])));
        Assert.Equal("a\tb\n1\t2\n", Write(terminal: false, c => c.Table(["a", "b"], [["1", "2"]])));
    }

    [Fact]
    public void Names_from_the_database_neither_break_a_line_nor_command_the_terminal()
    {
        Assert.Equal("x\ta b [2Jc\n", Write(terminal: false, c => c.Facts([("x", "a\nb\u001b[2Jc")])));
        Assert.DoesNotContain("\u001b[2J", Write(terminal: true, c => c.Facts([("x", "[red]\u001b[2J[/")])), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\u202Egnp.exe", "\\u202Egnp.exe")]
    [InlineData("a\u200Bb", "a\\u200Bb")]
    [InlineData("\u2066x\u2069", "\\u2066x\\u2069")]
    [InlineData("a\u00ADb\uFEFF", "a\\u00ADb\\uFEFF")]
    [InlineData("a\u2028b", "a\\u2028b")]
    [InlineData("\U000E0041", "\\uDB40\\uDC41")]
    [InlineData("x\u3164y\uFE0F", "x\\u3164y\\uFE0F")]
    [InlineData("Zoë 東京 🙂", "Zoë 東京 🙂")]
    public void Characters_that_nobody_sees_are_escaped_wherever_text_is_printed(string text, string shown)
    {
        Assert.Equal($"{shown}\n{shown}\n", Write(terminal: false, c => c.Table([text], [[text]])));
        Assert.Equal($"{shown}\t{shown}\n", Write(terminal: false, c => c.Facts([(text, text)])));
        Assert.Equal($"{shown}\n", Write(terminal: false, c => c.Line(text)));
        Assert.Contains(shown, Write(terminal: true, c => c.Table(["a"], [[text]])), StringComparison.Ordinal);
        var error = new StringWriter();
        var host = new ToolHost { Out = TextWriter.Null, Error = error, Environment = new Dictionary<string, string>(), Directory = "/" };
        new ToolConsole(host, json: false).Note(text);
        ToolConsole.Report(host, new Failure(2, text, text));
        Assert.Equal(3, error.ToString().Split(shown).Length - 1);
    }

    [Fact]
    public void Characters_that_nobody_sees_are_escaped_in_json_and_read_back_as_they_were()
    {
        var json = Write(terminal: false, c => c.WriteJson(new { Name = "a\u202Eb\U000E0041" }));

        Assert.Contains("\\u202E", json, StringComparison.Ordinal);
        Assert.Equal("a\u202Eb\U000E0041", System.Text.Json.JsonDocument.Parse(json).RootElement.GetProperty("name").GetString());
    }

    [Fact]
    public void A_waiting_job_says_why_it_waits()
    {
        const string Figures = "job 7 pass 1, 1,500 rows read of 20,000, 1,400 written, 950 rows/s, 20 s left";
        Assert.Equal(Figures, CliMessages.Progress(Progress(null)));
        Assert.Equal(Figures + "; waits: the window opens at 22:00", CliMessages.Progress(Progress("the window opens at 22:00")));
    }

    [Fact]
    public async Task Progress_in_a_pipe_is_a_line_now_and_then_and_whenever_there_is_a_new_reason_to_wait()
    {
        var error = new StringWriter();
        var console = new ToolConsole(new ToolHost { Out = TextWriter.Null, Error = error, Environment = new Dictionary<string, string>(), Directory = "/" }, json: false);

        await ProgressView.RunAsync(console, null, progress =>
        {
            foreach (var reason in (string?[])[null, null, "latency", null, "latency", "window"])
                progress.Report(Progress(reason));
            return Task.FromResult(0);
        });

        Assert.Equal(3, error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public async Task Progress_on_a_terminal_is_a_bar_with_rate_remaining_time_and_reason()
    {
        var error = new StringWriter();
        var console = new ToolConsole(
            new ToolHost { Out = TextWriter.Null, Error = error, Environment = new Dictionary<string, string>(), Directory = "/", ErrorIsTerminal = true }, json: false);

        await ProgressView.RunAsync(console, "auto", progress =>
        {
            progress.Report(Progress(null));
            progress.Report(Progress("[latency]"));
            return Task.FromResult(0);
        });

        Assert.Contains("waits: [latency]", error.ToString().ReplaceLineEndings(" "), StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_is_split_into_what_happened_and_how_to_mend_it()
    {
        var failure = Failure.Of(new EnvelopeConfigurationException("Column 'a.B' has no key. Nothing was done. Add one."), CancellationToken.None);

        Assert.Equal((2, "Column 'a.B' has no key.", "Nothing was done. Add one."), (failure.ExitCode, failure.Error, failure.Hint));
    }

    [Theory]
    [InlineData(typeof(EnvelopeDecryptionException), 5)]
    [InlineData(typeof(KeyDestroyedException), 6)]
    public void Alarm_and_loss_have_exit_codes_of_their_own(Type type, int code)
        => Assert.Equal(code, Failure.Of((Exception)Activator.CreateInstance(type, "Text.")!, CancellationToken.None).ExitCode);

    [Fact]
    public void Refusals_outages_and_surprises_have_exit_codes_of_their_own()
    {
        Assert.Equal(3, Failure.Of(new OperationRefusedException("Text."), CancellationToken.None).ExitCode);
        Assert.Equal(4, Failure.Of(new KeyUnavailableException("Text."), CancellationToken.None).ExitCode);
        Assert.Equal(130, Failure.Of(new OperationCanceledException(), new CancellationToken(canceled: true)).ExitCode);

        var surprise = Failure.Of(new FormatException("'123-45-6789' is not a number"), CancellationToken.None);
        Assert.Equal(70, surprise.ExitCode);
        Assert.DoesNotContain("123-45-6789", surprise.ToString(), StringComparison.Ordinal);
    }

    private static JobProgress Progress(string? waitsFor)
        => new(
            new JobInfo
            {
                Id = 7, Request = new JobRequest { Kind = JobKind.Reencrypt, Table = "Patients" }, Scope = "clinic", State = JobState.Running, Pass = 1, EstimatedRows = 20_000,
                RowsRead = 1_500, RowsWritten = 1_400, Throttle = new Throttle(), CreatedAt = DateTimeOffset.UnixEpoch,
            },
            950,
            TimeSpan.FromSeconds(20),
            waitsFor);

    private static string Write(bool terminal, Action<ToolConsole> write)
    {
        var output = new StringWriter();
        write(new ToolConsole(
            new ToolHost { Out = output, Error = TextWriter.Null, Environment = new Dictionary<string, string>(), Directory = "/", OutIsTerminal = terminal }, json: false));
        return output.ToString().ReplaceLineEndings("\n");
    }
}
