using System.Reflection;
using System.Runtime.InteropServices;
using BenchmarkDotNet.Environments;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NSec.Cryptography;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What the figures depend on: the machine and the versions. Nothing that names a host, a path or a user.</summary>
internal static class Machine
{
    /// <summary>Describes it, one fact a line.</summary>
    public static IReadOnlyList<string> Describe()
        =>
        [
            // BenchmarkDotNet's version and the system; the processor and its cores.
            .. HostEnvironmentInfo.GetCurrent().ToFormattedString().Take(2),
            $"{RuntimeInformation.FrameworkDescription} ({RuntimeInformation.ProcessArchitecture}), {Environment.ProcessorCount} processors for this process",
            $"EF Core {VersionOf(typeof(DbContext))}, Npgsql {VersionOf(typeof(NpgsqlConnection))}, PostgreSQL {Try(FindPostgres)}, SQLite {Try(FindSqlite)}",
            $"OpenSSL {Try(FindOpenSsl)}, libsodium {Try(FindSodium)} (NSec {VersionOf(typeof(AeadAlgorithm))})",
        ];

    private static string FindPostgres()
    {
        if (Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES") is not { Length: > 0 } connectionString)
            return "not used";
        using var connection = new NpgsqlConnection(connectionString);
        connection.Open();
        return connection.PostgreSqlVersion.ToString();
    }

    private static string FindSqlite()
    {
        using var connection = new SqliteConnection("Data Source=:memory:");
        return connection.ServerVersion;
    }

    // 0xMNN00PP0: major, minor, patch.
    private static string FindOpenSsl()
    {
        if (OperatingSystem.IsWindows())
            return "not used";
        var version = System.Security.Cryptography.SafeEvpPKeyHandle.OpenSslVersion;
        return $"{version >> 28}.{(version >> 20) & 0xFF}.{(version >> 4) & 0xFF}";
    }

    private static string FindSodium() => Marshal.PtrToStringAnsi(ReadSodiumVersion()) ?? "unknown";

    [DllImport("libsodium", EntryPoint = "sodium_version_string")]
    private static extern nint ReadSodiumVersion();

    private static string VersionOf(Type type)
        => type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static string Try(Func<string> find)
    {
        try
        {
            return find();
        }
        catch (Exception e) when (e is NpgsqlException or SqliteException or DllNotFoundException or EntryPointNotFoundException or PlatformNotSupportedException)
        {
            return "unknown";
        }
    }
}
