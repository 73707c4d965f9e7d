using System.Data.Common;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional.History;

/// <summary>
/// A PostgreSQL server of its own, which may be cut off and crashed. What it acknowledges survives its crash, though not the machine's. It ends with this process,
/// however that ends.
/// </summary>
public sealed class PostgresHistoryServer : HistoryServer
{
    private static readonly string? Programs = Environment.GetEnvironmentVariable("EFENVELOPE_PG_BIN");

    private readonly string _folder = Path.Combine(Environment.IsPrivilegedProcess ? "/tmp" : Path.GetTempPath(), $"efenvelope-{Guid.NewGuid():N}");
    private readonly string _password = RandomNumberGenerator.GetHexString(32);
    private readonly int _port = FindPort();
    private Process? _guard;

    private PostgresHistoryServer()
    {
    }

    public override string Provider => "Npgsql.EntityFrameworkCore.PostgreSQL";

    public override bool IsServer => true;

    private string Data => Path.Combine(_folder, "data");

    /// <summary>Starts a server, or skips the test with a plain reason where there is none.</summary>
    public static async Task<PostgresHistoryServer> StartAsync()
    {
        Assert.SkipWhen(Programs is null, "EFENVELOPE_PG_BIN is not set; run tests/run.sh, which looks for PostgreSQL's programs.");
        var server = new PostgresHistoryServer();
        await server.InitializeAsync();
        return server;
    }

    public override async Task<string> CreateDatabaseAsync(string name)
    {
        await ExecuteAsync($"CREATE DATABASE {name}");
        return Connect(name, pooling: true);
    }

    public override async Task DropDatabaseAsync(string connectionString)
    {
        ForgetConnections(connectionString);
        await ExecuteAsync($"DROP DATABASE IF EXISTS {new NpgsqlConnectionStringBuilder(connectionString).Database} WITH (FORCE)");
    }

    public override void ForgetConnections(string connectionString)
    {
        using var connection = new NpgsqlConnection(connectionString);
        NpgsqlConnection.ClearPool(connection);
    }

    public override DbConnection CreateConnection(string connectionString) => new NpgsqlConnection(connectionString);

    public override void Use(DbContextOptionsBuilder builder, string connectionString) => builder.UseNpgsql(connectionString);

    public override async Task CutAsync(string connectionString, Random random)
    {
        var database = new NpgsqlConnectionStringBuilder(connectionString).Database;
        var backends = await QueryAsync(
            Connect("postgres"), $"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND backend_type = 'client backend' ORDER BY pid");
        if (backends.Count > 0)
            await ExecuteAsync($"SELECT pg_terminate_backend({backends[random.Next(backends.Count)][0]})");
    }

    public override Task RestartAsync(bool asCrash)
        => RunAsync("pg_ctl", "-s", "-D", Data, "-l", Path.Combine(_folder, "log"), "-m", asCrash ? "immediate" : "fast", "-w", "-t", "60", "restart");

    public override async ValueTask DisposeAsync()
    {
        if (_guard is null)
        {
            Directory.Delete(_folder, recursive: true);
            return;
        }

        _guard.StandardInput.Close();
        await _guard.WaitForExitAsync();
        _guard.Dispose();
    }

    private async Task InitializeAsync()
    {
        Directory.CreateDirectory(_folder);
        try
        {
            await StartServerAsync();
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    private async Task StartServerAsync()
    {
        var passwordFile = Path.Combine(_folder, "password");
        await File.WriteAllTextAsync(passwordFile, "");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(passwordFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(passwordFile, _password);
        if (Environment.IsPrivilegedProcess)
            await RunAsync(new ProcessStartInfo("chown", ["-R", "postgres", _folder]));
        _guard = Guard();
        await RunAsync("initdb", "-D", Data, "-U", "postgres", "-A", "scram-sha-256", $"--pwfile={passwordFile}", "-E", "UTF8", "--locale=C", "--no-sync");
        File.Delete(passwordFile);
        await File.AppendAllTextAsync(
            Path.Combine(Data, "postgresql.conf"),
            $"""

            listen_addresses = '127.0.0.1'
            unix_socket_directories = '{_folder}'
            port = {_port}
            max_connections = 200
            fsync = off
            synchronous_commit = on

            """);
        await RunAsync("pg_ctl", "-s", "-D", Data, "-l", Path.Combine(_folder, "log"), "-w", "-t", "60", "start");
    }

    // Waits until its input ends, as it does when this process closes it or dies, then stops the server and deletes its folder.
    private Process Guard()
    {
        const string Script = """trap '' INT TERM HUP; cat >/dev/null; "$1" -s -D "$2/data" -m immediate -w -t 30 stop; rm -rf -- "$2" """;
        var start = CreateStart("sh", "-c", Script, "sh", Path.Combine(Programs!, "pg_ctl"), _folder);
        start.RedirectStandardInput = true;
        return Process.Start(start)!;
    }

    private string Connect(string database, bool pooling = false)
        => new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1", Port = _port, Username = "postgres", Password = _password, Database = database, Pooling = pooling, MaxPoolSize = 20, Timeout = 15,
        }.ConnectionString;

    private Task ExecuteAsync(string sql) => QueryAsync(Connect("postgres"), sql);

    private static Task RunAsync(string program, params string[] arguments) => RunAsync(CreateStart(Path.Combine(Programs!, program), arguments));

    // PostgreSQL does not run as root.
    private static ProcessStartInfo CreateStart(string program, params string[] arguments)
    {
        var start = Environment.IsPrivilegedProcess
            ? new ProcessStartInfo("runuser", ["-u", "postgres", "--", program, .. arguments])
            : new ProcessStartInfo(program, arguments);
        start.WorkingDirectory = "/";
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("PG", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        return start;
    }

    private static async Task RunAsync(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{start.FileName} {string.Join(' ', start.ArgumentList)}: {await output} {await errors}");
    }

    private static int FindPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
