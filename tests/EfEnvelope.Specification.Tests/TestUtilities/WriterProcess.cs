using System.Diagnostics;
using System.Globalization;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>One process of EfEnvelope.TestProcess, and what it has said so far.</summary>
public sealed class WriterProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly Process _process;
    private readonly Task<string> _errors;

    private WriterProcess(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Starts a process and waits until it is ready to be let go.</summary>
    public static async Task<WriterProcess> StartAsync(
        string provider, string connectionString, string kmsFile, string writer, int count, int rotateAt = -1, string? mode = null)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        string[] arguments =
        [
            Path.Combine(AppContext.BaseDirectory, "EfEnvelope.TestProcess.dll"), provider, connectionString, kmsFile, writer,
            count.ToString(CultureInfo.InvariantCulture), rotateAt.ToString(CultureInfo.InvariantCulture),
        ];
        foreach (var argument in mode is null ? arguments : [.. arguments, mode])
            start.ArgumentList.Add(argument);
        var process = new WriterProcess(Process.Start(start)!);
        await process.ReadUntilAsync("ready");
        return process;
    }

    /// <summary>Runs a process to its end and returns what it said.</summary>
    public static async Task<string> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "EfEnvelope.TestProcess.dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = new WriterProcess(Process.Start(start)!);
        using var timeout = new CancellationTokenSource(5 * Patience);
        var said = await process._process.StandardOutput.ReadToEndAsync(timeout.Token);
        return said + await process._errors;
    }

    public void Go()
    {
        _process.StandardInput.WriteLine();
        _process.StandardInput.Flush();
    }

    /// <summary>Waits until the process has said a line; fails when it ends before.</summary>
    public async Task ReadUntilAsync(string line)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (true)
        {
            var said = await _process.StandardOutput.ReadLineAsync(timeout.Token);
            if (said is null)
                throw new InvalidOperationException($"The process ended before it said '{line}'. {await _errors}");
            if (said.StartsWith(line, StringComparison.Ordinal))
                return;
        }
    }

    /// <summary>Kills the process without any warning.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }
}
