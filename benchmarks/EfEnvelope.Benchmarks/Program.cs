using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using EfEnvelope.Benchmarks.Running;

// dotnet run -c Release --project benchmarks/EfEnvelope.Benchmarks -- --filter '*Seal*' [--short] [--results DIR]
// What else it takes is BenchmarkDotNet's. It returns 1 when a benchmark failed to run; a target that was missed is in the report.
List<string> arguments = [.. args];
Runs.IsShort = arguments.Remove("--short");
var results = Report.FindDefaultFolder();
if (arguments.IndexOf("--results") is >= 0 and var at)
{
    if (at + 1 == arguments.Count)
    {
        Console.Error.WriteLine("'--results' needs a directory.");
        return 1;
    }

    results = Path.GetFullPath(arguments[at + 1]);
    arguments.RemoveRange(at, 2);
}

var folder = Directory.CreateTempSubdirectory("efenvelope-benchmarks-");
try
{
    var summaries = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run([.. arguments], RunConfig.Create(folder.FullName)).ToList();
    if (arguments.Exists(a => a is "--list" or "--info" or "--help" or "--version"))
        return 0;
    new Report(results).Write(summaries);
    return summaries.Count > 0 && summaries.TrueForAll(HasRun) ? 0 : 1;
}
finally
{
    folder.Delete(recursive: true);
}

static bool HasRun(Summary summary)
    => !summary.HasCriticalValidationErrors && summary.Reports.All(r => r is { Success: true, ResultStatistics: not null });
