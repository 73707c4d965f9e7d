using System.Globalization;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.ConsoleArguments;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using EfEnvelope.Benchmarks.Running;

// dotnet run -c Release --project benchmarks/EfEnvelope.Benchmarks -- [--filter '*Seal*'] [--short] [--passes N] [--results DIR]
// What else it takes is BenchmarkDotNet's. It returns 1 when a benchmark failed to run; a target that was missed is in the report.
List<string> arguments = [.. args];
Runs.IsShort = arguments.Remove("--short");
if (!TryTake("--results", "a directory", out var results) || !TryTake("--passes", "a number from 1 to 100", out var passes))
    return 1;
if (passes is not null)
{
    if (!int.TryParse(passes, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count is < 1 or > 100)
    {
        Console.Error.WriteLine("'--passes' needs a number from 1 to 100.");
        return 1;
    }

    Runs.Passes = count;
}

var folder = Directory.CreateTempSubdirectory("efenvelope-benchmarks-");
try
{
    var assembly = typeof(Program).Assembly;
    var shared = RunConfig.Create(folder.FullName);
    if (arguments.Exists(a => a is "--list" or "--info" or "--help" or "--version"))
    {
        BenchmarkSwitcher.FromAssembly(assembly).Run([.. arguments], shared);
        return 0;
    }

    if (!arguments.Exists(a => a is "-f" || a.StartsWith("--filter", StringComparison.Ordinal)))
        arguments.AddRange(["--filter", "*"]);

    var (isParsed, chosen, _) = ConfigParser.Parse([.. arguments], ConsoleLogger.Default, shared);
    if (!isParsed)
        return 1;
    var config = ManualConfig.Union(shared, chosen);
    var classes = TypeFilter.Filter(config, TypeFilter.GetTypesWithRunnableBenchmarks([], [assembly], ConsoleLogger.Default).runnable).Select(c => c.Type).ToList();
    if (classes.Count == 0)
        Console.Error.WriteLine("The filter finds nothing to run; --list flat shows what there is.");
    List<ClassRun> runs = [];
    foreach (var type in classes)
    {
        runs.Add(await ClassRun.MakeAsync(type, config));
        Console.WriteLine($"\n{type.Name}, all passes:\n\n{string.Join('\n', Table.Lines(runs[^1]))}\n");
    }

    new Report(results is null ? Report.FindDefaultFolder() : Path.GetFullPath(results)).Write(runs);
    return runs.Count > 0 && runs.TrueForAll(r => r.HasRun) ? 0 : 1;
}
finally
{
    folder.Delete(recursive: true);
}

// Takes an option that is not BenchmarkDotNet's, with its value.
bool TryTake(string option, string what, out string? value)
{
    value = null;
    if (arguments.IndexOf(option) is not (>= 0 and var at))
        return true;
    if (at + 1 == arguments.Count)
    {
        Console.Error.WriteLine($"'{option}' needs {what}.");
        return false;
    }

    value = arguments[at + 1];
    arguments.RemoveRange(at, 2);
    return true;
}
