using System.Reflection;
using System.Text;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>Writes one page for each class, and one that says which targets were reached.</summary>
/// <param name="folder">Where to.</param>
internal sealed class Report(string folder)
{
    private const string Project = "benchmarks/EfEnvelope.Benchmarks";

    private readonly Lazy<IReadOnlyList<string>> _machine = new(Machine.Describe);

    /// <summary>Finds the folder of results in the source tree that this was built from or is run in; or one in the current directory.</summary>
    public static string FindDefaultFolder()
    {
        foreach (var start in new[] { AppContext.BaseDirectory, Directory.GetCurrentDirectory() })
        {
            for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
            {
                if (Directory.Exists(Path.Combine(folder.FullName, Project)))
                    return Path.Combine(folder.FullName, "benchmarks", "results");
            }
        }

        return Path.Combine(Directory.GetCurrentDirectory(), "results");
    }

    public void Write(IReadOnlyCollection<ClassRun> all)
    {
        // A part of a class must not stand where the whole stood.
        var runs = all.Where(r => r.IsWhole).ToList();
        if (runs.Count == 0)
            return;

        // Figures of a short run are never taken for those of a long one.
        var pages = Runs.IsShort ? Path.Combine(folder, "short") : folder;
        Directory.CreateDirectory(pages);
        foreach (var run in runs)
            File.WriteAllText(Path.Combine(pages, $"{PageOf(run.Type)}.md"), Page(run));

        var targets = Path.Combine(folder, Runs.IsShort ? "targets-short.md" : "targets.md");
        File.WriteAllText(targets, TargetPage(runs, File.Exists(targets) ? File.ReadAllLines(targets) : []));
    }

    private static string PageOf(Type type)
        => type.Name.EndsWith("Benchmarks", StringComparison.Ordinal) ? type.Name[..^"Benchmarks".Length] : type.Name;

    private string Page(ClassRun run)
    {
        var type = run.Type;
        var question = type.GetCustomAttribute<QuestionAttribute>();
        var page = new StringBuilder();
        page.Append($"# {question?.Text ?? PageOf(type)}\n\n");
        if (question is { Note.Length: > 0 })
            page.Append($"{Wrap(question.Note)}\n\n");
        AppendMachine(page, Command($"--filter '*.{type.Name}.*'"));
        foreach (var line in Table.Lines(run))
            page.Append(line).Append('\n');
        return page.ToString();
    }

    private string TargetPage(IReadOnlyCollection<ClassRun> runs, string[] before)
    {
        var rows = runs.SelectMany(r => r.Rows).ToList();
        var classes = runs.Select(r => r.Type.Name).ToHashSet();
        var page = new StringBuilder();
        page.Append($"# What must be reached{(Runs.IsShort ? ": a short run, for orientation only" : "")}\n\n");
        page.Append(Wrap(
            "Each figure compares rows of one class in one run: the median of the ratios that its passes had. Lines of classes that the last run left out are those of the run before it; "
            + "the page of each class says where and with what it was measured.")).Append("\n\n");
        page.Append("| Work | Must | Aim | Measured | Verdict |\n|---|---:|---:|---:|---|\n");
        foreach (var target in Targets.All)
        {
            foreach (var line in target.Judge(rows))
            {
                // What this run tried and could not measure is not run, whatever an earlier one found.
                var kept = line.WasRun || classes.Contains(RowSelector.Parse(target.Row).Class) ? [] : Array.FindAll(before, b => IsOf(b, line));
                page.AppendJoin('\n', kept.Length > 0 ? kept : [line.Markdown]).Append('\n');
            }
        }

        return page.ToString();
    }

    // Of the same work, judged by the same bounds.
    private static bool IsOf(string before, TargetLine line)
        => before.Split(" | ") is [var work, var must, var aim, ..]
            && (work == $"| {line.Key}" || work.StartsWith($"| {line.Key} (", StringComparison.Ordinal)) && must == line.Must && aim == line.Aim;

    private void AppendMachine(StringBuilder page, string command)
    {
        page.Append("```text\n").AppendJoin('\n', _machine.Value).Append("\n```\n\n");
        page.Append($"```sh\n{command}\n```\n\n");
    }

    private static string Command(string arguments)
        => $"bash benchmarks/run.sh {arguments}{(Runs.IsShort ? " --short" : "")} --passes {Runs.Passes}";

    private static string Wrap(string text)
    {
        var (wrapped, width) = (new StringBuilder(), 0);
        foreach (var word in text.Split(' '))
        {
            var fits = width + word.Length < 150;
            wrapped.Append(width == 0 ? "" : fits ? " " : "\n").Append(word);
            width = fits ? width + word.Length + 1 : word.Length;
        }

        return wrapped.ToString();
    }
}
