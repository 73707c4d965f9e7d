using System.Reflection;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Order;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What all passes over one class found out.</summary>
/// <param name="Type">The class.</param>
/// <param name="Rows">All rows that were chosen, in the order of the report.</param>
/// <param name="IsWhole">Whether no row was left out that this kind of run has.</param>
/// <param name="HasRun">Whether every row ran in every pass.</param>
internal sealed record ClassRun(Type Type, IReadOnlyList<MeasuredRow> Rows, bool IsWhole, bool HasRun)
{
    /// <summary>Makes all passes, one directly behind the other.</summary>
    /// <param name="type">The class.</param>
    /// <param name="config">What is chosen of it, and what all classes share.</param>
    public static async Task<ClassRun> MakeAsync(Type type, IConfig config)
    {
        List<Summary> summaries = [];
        Dictionary<string, Figures?[]> figures = [];
        try
        {
            for (Runs.Pass = 1; Runs.Pass <= Runs.Passes; Runs.Pass++)
            {
                Console.WriteLine($"// {type.Name}: pass {Runs.Pass} of {Runs.Passes}");
                Metrics.Clear();

                // The attributes of the class are read anew: rounds depend on the pass.
                var summary = BenchmarkRunner.Run(BenchmarkDotNet.Running.TypeFilter.Filter(config, [type])).Single();
                summaries.Add(summary);
                foreach (var row in summary.BenchmarksCases)
                {
                    if (!figures.TryGetValue(Metrics.NameOf(row), out var passes))
                        figures[Metrics.NameOf(row)] = passes = new Figures?[Runs.Passes];
                    passes[Runs.Pass - 1] = Figures.Find(summary, row);
                }

                // What fails once does so again, and may take long for it.
                if (!HasAllRun(summary))
                    break;
            }
        }
        finally
        {
            Runs.Pass = 1;
            await Kept.DropAsync();
        }

        var first = summaries[0];
        return new ClassRun(
            type,
            [.. DefaultOrderer.Instance.GetSummaryOrder(first.BenchmarksCases, first).Select(row => MeasuredRow.Of(row, figures[Metrics.NameOf(row)]))],
            MethodsOf(type).All(m => first.BenchmarksCases.Any(row => row.Descriptor.WorkloadMethod.Name == m.Name)),
            summaries.TrueForAll(HasAllRun));
    }

    /// <summary>Finds the row that a row is compared with: it has the same parameters.</summary>
    public MeasuredRow? FindBaseline(MeasuredRow row)
        => Rows.FirstOrDefault(other => other.IsBaseline && row.Parameters.All(p => other.Parameters[p.Key] == p.Value));

    private static bool HasAllRun(Summary summary)
        => summary is { HasCriticalValidationErrors: false, BenchmarksCases.Length: > 0 }
            && summary.BenchmarksCases.All(row => Figures.Find(summary, row) is not null);

    private static IEnumerable<MethodInfo> MethodsOf(Type type)
        => type.GetMethods().Where(m => m.IsDefined(typeof(BenchmarkAttribute)) && !(Runs.IsShort && m.IsDefined(typeof(FullOnlyAttribute))));
}
