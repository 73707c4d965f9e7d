using System.Diagnostics;
using System.Text;
using EfEnvelope.Specification.History;

namespace EfEnvelope.Functional.History;

/// <summary>A process that takes part in a history: a writer, a reader or a worker.</summary>
public sealed class HistoryMember : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly Process _process;
    private readonly StringBuilder _errors = new();

    private HistoryMember(string role, int index, Process process)
    {
        (Role, Index, _process) = (role, index, process);
        process.ErrorDataReceived += (_, e) =>
        {
            lock (_errors)
                _errors.AppendLine(e.Data);
        };
        process.BeginErrorReadLine();
    }

    public string Role { get; }

    public int Index { get; }

    /// <summary>Starts a process and waits until it takes orders.</summary>
    public static async Task<HistoryMember> StartAsync(string role, int index, string kmsFile)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };

        // It lives for a minute at most: code that is quickly compiled is better than code that is quick.
        start.Environment["DOTNET_TieredPGO"] = "0";
        foreach (var argument in new[] { Path.Combine(AppContext.BaseDirectory, "EfEnvelope.TestProcess.dll"), $"history-{role}", kmsFile })
            start.ArgumentList.Add(argument);
        var member = new HistoryMember(role, index, Process.Start(start)!);
        await member.ReadUntilAsync("ready");
        return member;
    }

    public void Begin(HistoryRun run)
    {
        _process.StandardInput.WriteLine(run.Format());
        _process.StandardInput.Flush();
    }

    /// <summary>Lets it end what it has under way, and waits for that.</summary>
    public async Task StopAsync()
    {
        _process.StandardInput.WriteLine("stop");
        _process.StandardInput.Flush();
        await ReadUntilAsync("stopped");
    }

    /// <summary>Kills it without any warning.</summary>
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

    private async Task ReadUntilAsync(string line)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (true)
        {
            var said = await _process.StandardOutput.ReadLineAsync(timeout.Token);
            if (said == line)
                return;
            if (said is not null)
                continue;
            await _process.WaitForExitAsync(timeout.Token);
            lock (_errors)
                throw new InvalidOperationException($"The {Role} {Index} ended before it said '{line}'. {_errors}");
        }
    }
}
