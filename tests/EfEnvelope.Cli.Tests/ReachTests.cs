using System.Net;
using System.Net.Sockets;
using EfEnvelope.Cli.TestUtilities;
using Microsoft.Data.Sqlite;

namespace EfEnvelope.Cli;

/// <summary>Databases that cannot be reached, are others, or do not let the tool in.</summary>
public sealed class SqliteReachTests : ServerTests<SqliteWorld>
{
    [Fact]
    public async Task A_file_that_is_no_database_is_named()
    {
        var path = Path.Combine(World.Directory, "notes.txt");
        await File.WriteAllTextAsync(path, new string('x', 8192), TestContext.Current.CancellationToken);
        World.Environment["EFENVELOPE_CONNECTION"] = $"Data Source={path}";

        (await RunChangingNothingAsync("keys", "list")).Fails(2, "no such database.*not a database", "path of the file");
    }

    [Fact]
    public async Task A_database_without_our_tables_says_where_they_come_from()
    {
        await World.ExecuteAsync("""DROP TABLE "__EnvelopeKeys" """);

        var result = await RunChangingNothingAsync("keys", "rotate", "clinic", "--execute");

        result.Exits(2);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_locked_database_is_busy_and_nothing_changes()
    {
        await World.FillAsync();
        World.Environment["EFENVELOPE_CONNECTION"] = $"{World.ConnectionString};Default Timeout=1";
        ToolResult result;
        await using (var writer = new SqliteConnection(World.ConnectionString))
        {
            await writer.OpenAsync(TestContext.Current.CancellationToken);
            await using var transaction = writer.BeginTransaction(deferred: false);
            result = await World.RunAsync("keys", "rotate", "--execute");
        }

        result.Exits(4);
        Assert.Contains("efenvelope: hint: ", result.Error, StringComparison.Ordinal);
        Assert.Single((await World.JsonAsync("keys", "list")).GetProperty("versions").EnumerateArray());
    }
}

public sealed class PostgresReachTests : ServerTests<PostgresWorld>
{
    [Fact]
    public async Task A_server_out_of_reach_exits_with_4_and_says_to_retry()
    {
        // A port that nobody else can take and nobody listens at.
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        World.Environment["EFENVELOPE_CONNECTION"] = $"Host=127.0.0.1;Port={port};Database=x;Username=dba;Password=hunter2";

        var result = (await World.RunAsync("status")).Fails(4, "database cannot be reached", "call the same command again");

        Assert.DoesNotContain("hunter2", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_that_is_not_there_exits_with_2()
    {
        World.Environment["EFENVELOPE_CONNECTION"] = PostgresWorld.ConnectionOf(b => b.Database = "efenvelope_none");

        (await World.RunAsync("status")).Fails(2, "There is no such database: .*efenvelope_none", "name of the database");
    }

    [Theory]
    [InlineData("status")]
    [InlineData("keys list")]
    [InlineData("keys rotate --execute")]
    [InlineData("reencrypt --execute")]
    [InlineData("backfill Contacts.Phone --execute")]
    [InlineData("verify")]
    [InlineData("doctor")]
    public async Task A_role_without_rights_is_told_which_it_needs_and_changes_nothing(string line)
    {
        await World.FillAsync();
        await World.ExecuteAsync($"""CREATE ROLE "{World.Role}" LOGIN PASSWORD 'hunter2'""");
        World.Environment["EFENVELOPE_CONNECTION"] = World.ConnectionOfRole("hunter2");

        var result = (await RunChangingNothingAsync(line.Split(' '))).Fails(2, "may not do that in the database: permission denied", "Give the user SELECT and UPDATE");

        Assert.DoesNotContain("hunter2", result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_role_that_may_read_keys_and_not_rows_does_not_convert()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        await World.ExecuteAsync($"""CREATE ROLE "{World.Role}" LOGIN PASSWORD 'hunter2'""");
        foreach (var table in (string[])["__EnvelopeKeys", "__EnvelopeUsage", "__EnvelopeMap", "Patients"])
            await World.ExecuteAsync($"""GRANT SELECT ON "{table}" TO "{World.Role}" """);
        World.Environment["EFENVELOPE_CONNECTION"] = World.ConnectionOfRole("hunter2");

        (await World.RunAsync("reencrypt")).Exits(0);
        (await RunChangingNothingAsync("reencrypt", "--execute")).Exits(2);
    }
}
