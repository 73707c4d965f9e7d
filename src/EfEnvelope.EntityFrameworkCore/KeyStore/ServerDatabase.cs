using System.Data.Common;
using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// Tells databases of servers apart. What a connection string says of passwords, pools and the like is not looked at, nor how it is spelled: clients change the
/// text once a connection was opened.
/// </summary>
internal static class ServerDatabase
{
    public const string PostgreSql = "Npgsql.EntityFrameworkCore.PostgreSQL";
    public const string SqlServer = "Microsoft.EntityFrameworkCore.SqlServer";

    public static KeyStoreIdentity Identify(string? provider, DbConnection connection, string? schema)
    {
        var settings = new ConnectionSettings(connection);
        var database = connection.Database;
        var (server, path) = provider == SqlServer ? OfSqlServer(settings, ref database) : OfPostgreSql(settings, connection);

        // A named schema is one, whoever looks into it; else the user, or the search path, decides which table is found.
        return new KeyStoreIdentity($"{provider}|{server}|{database}", schema is null ? path : $"schema {schema}");
    }

    // With several hosts, an open connection names the one that answered.
    private static (string Server, string Path) OfPostgreSql(ConnectionSettings settings, DbConnection connection)
    {
        var host = settings.Get("Host", "Server");
        var server = host.Contains(',', StringComparison.Ordinal) || connection.DataSource.Length == 0
            ? $"{host}:{settings.Get("Port")} {settings.Get("Target Session Attributes")}"
            : connection.DataSource;
        return (server.ToLowerInvariant(), $"path {settings.Get("Username", "User Id", "User")}|{settings.Get("Search Path")}|{settings.Get("Options")}");
    }

    private static (string Server, string Path) OfSqlServer(ConnectionSettings settings, ref string database)
    {
        const string Tcp = "TCP:", DefaultPort = ",1433";
        var server = settings.Get("Data Source", "Server", "Address", "Addr", "Network Address").Trim().ToUpperInvariant();
        if (server.StartsWith(Tcp, StringComparison.Ordinal))
            server = server[Tcp.Length..];
        if (server.EndsWith(DefaultPort, StringComparison.Ordinal))
            server = server[..^DefaultPort.Length];
        if (settings.Get("AttachDbFilename") is { Length: > 0 } file)
            database = $"{database} {file}";
        return (server, $"path {settings.Get("User ID", "Uid", "User")}|{settings.Get("Authentication")}");
    }
}
