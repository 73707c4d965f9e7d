using BenchmarkDotNet.Running;
using EfEnvelope.Benchmarks.Running;

// dotnet run -c Release --project benchmarks/EfEnvelope.Benchmarks -- --filter '*Field*'
Runs.IsShort = args.Contains("--short");
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run([.. args.Where(a => a != "--short")]);
