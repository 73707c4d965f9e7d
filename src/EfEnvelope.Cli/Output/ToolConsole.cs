using Spectre.Console;

namespace EfEnvelope.Cli.Output;

/// <summary>Data goes to stdout, everything else to stderr. Boxes and colours only on a terminal.</summary>
internal sealed class ToolConsole(ToolHost host, bool json)
{
    /// <summary>Gets whether one JSON document is wanted on stdout, and nothing else.</summary>
    public bool IsJson => json;

    public ToolHost Host => host;

    public static int Report(ToolHost host, Failure failure, Exception? exception = null)
    {
        host.Error.WriteLine(CliMessages.Error(Clean(failure.Error)));
        host.Error.WriteLine(CliMessages.Hint(Clean(failure.Hint)));
        if (exception is not null && host.IsDebugging)
            host.Error.WriteLine(exception);
        return failure.ExitCode;
    }

    /// <summary>Says something about the run, on stderr.</summary>
    public void Note(string text) => host.Error.WriteLine(CliMessages.Note(Clean(text)));

    public void WriteJson(object document) => host.Out.WriteLine(Json.Write(document));

    /// <summary>Writes one line of data.</summary>
    public void Line(string text) => host.Out.WriteLine(Clean(text));

    /// <summary>Writes rows: a table on a terminal, else lines of tab-separated cells under a line of headings.</summary>
    public void Table(IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string>> rows)
    {
        if (!host.OutIsTerminal)
        {
            Tabbed(headings);
            foreach (var row in rows)
                Tabbed(row);
            return;
        }

        var table = new Table().RoundedBorder();
        foreach (var heading in headings)
            table.AddColumn(Escape(heading));
        foreach (var row in rows)
            table.AddRow([.. row.Select(Escape)]);
        Terminal(host.Out).Write(table);
    }

    /// <summary>Writes names and values: aligned on a terminal, else tab-separated.</summary>
    public void Facts(IEnumerable<(string Name, string Value)> facts)
    {
        if (!host.OutIsTerminal)
        {
            foreach (var (name, value) in facts)
                Tabbed([name, value]);
            return;
        }

        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        foreach (var (name, value) in facts)
            grid.AddRow($"[grey]{Escape(name)}[/]", Escape(value));
        Terminal(host.Out).Write(grid);
        host.Out.WriteLine();
    }

    public static IAnsiConsole Terminal(TextWriter writer)
        => AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });

    public static string Escape(string text) => Markup.Escape(Clean(text));

    // Names come from the database and the KMS: they must neither break a line, nor command a terminal, nor look like other names.
    public static string Clean(string text)
        => Invisible.Escape(text.Any(char.IsControl) ? string.Concat(text.ReplaceLineEndings(" ").Select(c => char.IsControl(c) ? ' ' : c)) : text);

    private void Tabbed(IEnumerable<string> cells) => host.Out.WriteLine(string.Join('\t', cells.Select(Clean)));
}
