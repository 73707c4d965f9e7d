using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace EfEnvelope.Cli.TestUtilities;

/// <summary>The real executable, as a process of its own.</summary>
public sealed partial class ToolProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly Process _process;
    private readonly StringBuilder _error = new();
    private readonly TaskCompletionSource _errorEnded = new();
    private readonly SemaphoreSlim _errorGrew = new(0);
    private readonly Task<string> _output;

    private ToolProcess(Process process)
    {
        _process = process;
        _output = process.StandardOutput.ReadToEndAsync();
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null)
                _errorEnded.TrySetResult();
            else
                lock (_error)
                    _error.AppendLine(line.Data);
            _errorGrew.Release();
        };
        process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public static ToolProcess Start(IReadOnlyDictionary<string, string> environment, string directory, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = directory, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "efenvelope.dll"));
        foreach (var arg in args)
            start.ArgumentList.Add(arg);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return new ToolProcess(Process.Start(start)!);
    }

    /// <summary>Waits until stderr says something; fails when the process ends before.</summary>
    public async Task ReadUntilAsync(string text)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (true)
        {
            lock (_error)
            {
                if (_error.ToString().Contains(text, StringComparison.Ordinal))
                    return;
                Assert.False(_errorEnded.Task.IsCompleted, $"The tool ended before it said '{text}'.\n{_error}");
            }

            await _errorGrew.WaitAsync(timeout.Token);
        }
    }

    /// <summary>Does what Ctrl+C does.</summary>
    public void Interrupt() => Assert.Equal(0, Kill(_process.Id, 2));

    public async Task<ToolResult> WaitAsync()
    {
        using var timeout = new CancellationTokenSource(Patience);
        _process.StandardInput.Close();
        await _process.WaitForExitAsync(timeout.Token);
        await _errorEnded.Task.WaitAsync(timeout.Token);
        return new ToolResult(_process.ExitCode, await _output, _error.ToString());
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
        _errorGrew.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
