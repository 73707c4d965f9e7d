using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace EfEnvelope.Kms.Tests.Node;

/// <summary>What a script wrote and how it ended.</summary>
public sealed record NodeResult(int ExitCode, string Output, string Error);

/// <summary>
/// Runs scripts with the vendors' own packages for Node.js, so that clients and servers of ours meet code that is not ours. Packages are installed once, below
/// the temporary directory; where that cannot be done, the test is skipped and says why.
/// </summary>
public sealed class NodeRunner
{
    private static readonly SemaphoreSlim Gate = new(1, 1);
    private static readonly Dictionary<string, string?> Reasons = [];

    private readonly string _directory;

    private NodeRunner(string directory) => _directory = directory;

    /// <summary>Installs packages such as <c>oci-common@2.140.0</c>, or skips the test with the reason why they cannot be had.</summary>
    public static async Task<NodeRunner> RequireAsync(params string[] packages)
    {
        var (runner, reason) = await TryPrepareAsync(packages);
        Assert.SkipWhen(runner is null, reason ?? "");
        return runner!;
    }

    /// <summary>Installs packages, or tells in one sentence why they cannot be had. It is tried once per process.</summary>
    public static async Task<(NodeRunner? Runner, string? Reason)> TryPrepareAsync(params string[] packages)
    {
        var list = string.Join(' ', packages.Order(StringComparer.Ordinal));
        var directory = Path.Combine(Path.GetTempPath(), $"efenvelope-node-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(list)))[..16]}");
        await Gate.WaitAsync();
        try
        {
            if (!Reasons.TryGetValue(directory, out var reason))
                Reasons[directory] = reason = await InstallAsync(directory, packages);
            return reason is null ? (new NodeRunner(directory), null) : (null, reason);
        }
        finally
        {
            Gate.Release();
        }
    }

    /// <summary>
    /// Runs the statements of a script, which may <c>require</c> the packages and <c>await</c>. What it throws goes to the error output, with exit code 1.
    /// </summary>
    /// <param name="script">The statements, as CommonJS.</param>
    /// <param name="environment">Variables it finds in <c>process.env</c>, besides those of this process.</param>
    /// <param name="limit">How long it may run; 5 minutes by default. It is ended then, and the test fails.</param>
    public async Task<NodeResult> RunAsync(string script, IReadOnlyDictionary<string, string>? environment = null, TimeSpan? limit = null)
    {
        var file = Path.Combine(_directory, $"script-{RandomNumberGenerator.GetHexString(16)}.cjs");
        await File.WriteAllTextAsync(
            file, $"(async () => {{\n{script}\n}})().then(() => process.exit(process.exitCode ?? 0), e => {{ console.error(e); process.exit(1); }});\n");
        try
        {
            var (result, reason) = await StartAsync("node", [file], _directory, environment, limit ?? TimeSpan.FromMinutes(5));
            return result ?? throw new InvalidOperationException(reason);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static async Task<string?> InstallAsync(string directory, string[] packages)
    {
        var (node, noNode) = await StartAsync("node", ["--version"], Path.GetTempPath(), null, TimeSpan.FromMinutes(2));
        if (node is not { ExitCode: 0 })
            return $"Node.js does not run here ({noNode ?? node!.Error.Trim()}), so the vendor's own client cannot be asked.";
        Directory.CreateDirectory(directory);
        using var alone = await LockAsync(Path.Combine(directory, ".lock"));
        var done = Path.Combine(directory, ".installed");
        if (File.Exists(done))
            return null;
        await File.WriteAllTextAsync(Path.Combine(directory, "package.json"), "{ \"private\": true }");
        string[] arguments = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", .. packages];
        var (npm, noNpm) = await StartAsync(OperatingSystem.IsWindows() ? "npm.cmd" : "npm", arguments, directory, null, TimeSpan.FromMinutes(10));
        if (npm is not { ExitCode: 0 })
        {
            var why = noNpm ?? npm!.Error.Split('\n').FirstOrDefault(line => line.Contains("ERR!") || line.Contains("error")) ?? npm.Error;
            return $"npm could not install {string.Join(", ", packages)} ({why.Trim()}), so the vendor's own client cannot be asked.";
        }

        await File.WriteAllTextAsync(done, "");
        return null;
    }

    // Test processes may run side by side and share the directory.
    private static async Task<FileStream> LockAsync(string file)
    {
        for (var left = 3000; ; left--)
        {
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.None);
            }
            catch (IOException) when (left > 0)
            {
                await Task.Delay(200);
            }
        }
    }

    private static async Task<(NodeResult? Result, string? Reason)> StartAsync(
        string program, IEnumerable<string> arguments, string directory, IReadOnlyDictionary<string, string>? environment, TimeSpan limit)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            return (null, $"'{program}' cannot be started: {e.Message}");
        }

        using (process)
        using (var late = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken))
        {
            late.CancelAfter(limit);
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(late.Token);
            var error = process.StandardError.ReadToEndAsync(late.Token);
            try
            {
                await process.WaitForExitAsync(late.Token);
                return (new NodeResult(process.ExitCode, await output, await error), null);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                return (null, $"'{program}' did not end within {limit.TotalSeconds} seconds");
            }
        }
    }
}
