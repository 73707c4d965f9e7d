using System.Diagnostics;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional.TestUtilities;

/// <summary>The server's own tools, from the folder that EFENVELOPE_PG_BIN names.</summary>
public static class PostgresTools
{
    private static readonly string? Folder = Environment.GetEnvironmentVariable("EFENVELOPE_PG_BIN");

    /// <summary>Returns what <c>pg_dump</c> writes for a database.</summary>
    public static async Task<byte[]> DumpAsync(string connectionString)
    {
        Assert.SkipWhen(Folder is null, "EFENVELOPE_PG_BIN is not set; it names the folder of 'pg_dump'.");
        var connection = new NpgsqlConnectionStringBuilder(connectionString);
        var start = new ProcessStartInfo(Path.Combine(Folder, "pg_dump"))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PGPASSWORD"] = connection.Password },
        };
        foreach (var argument in new[] { "-h", connection.Host!, "-p", $"{connection.Port}", "-U", connection.Username!, connection.Database! })
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        using var output = new MemoryStream();
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.BaseStream.CopyToAsync(output);
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        return output.ToArray();
    }
}
