using BenchmarkDotNet.Running;

// dotnet run -c Release --project benchmarks/EfEnvelope.Benchmarks -- --filter '*Field*'
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
