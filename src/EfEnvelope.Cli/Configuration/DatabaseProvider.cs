using System.Data.Common;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EfEnvelope.Cli.Configuration;

/// <summary>One kind of database: how its connection string is read, and how a context uses it.</summary>
internal sealed class DatabaseProvider(string name, Func<string, string, string> prepare, Action<DbContextOptionsBuilder, string> use)
{
    private static readonly DatabaseProvider[] All =
    [
        new("sqlite", PrepareSqlite, (builder, connection) => builder.UseSqlite(connection)),
        new("postgresql", PreparePostgres, (builder, connection) => builder.UseNpgsql(connection)),
        new("sqlserver", PrepareSqlServer, (builder, connection) => builder.UseSqlServer(connection)),
    ];

    public static IEnumerable<string> Names => All.Select(p => p.Name);

    public string Name => name;

    public static DatabaseProvider Find(string name)
        => All.FirstOrDefault(p => p.Name == name) ?? throw new EnvelopeConfigurationException(CliMessages.UnknownProvider(name, Names));

    /// <summary>Configures a context. No fault of the connection string is quoted: what surrounds it may be a password.</summary>
    public void Use(DbContextOptionsBuilder builder, string connectionString, string directory)
    {
        string prepared;
        try
        {
            prepared = prepare(connectionString, directory);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or OverflowException or KeyNotFoundException or InvalidCastException)
        {
            throw new EnvelopeConfigurationException(CliMessages.MalformedConnection(name));
        }

        use(builder, prepared);
    }

    /// <summary>Refuses a schema where databases have none, rather than passing it over.</summary>
    public void RequireSchema(string schema)
    {
        if (schema.Length > 0 && name == "sqlite")
            throw new EnvelopeConfigurationException(CliMessages.NoSchemas(schema));
    }

    /// <summary>Tells whether a connection string holds a secret, or cannot be read and might.</summary>
    public static bool HoldsSecret(string connectionString)
    {
        try
        {
            return new DbConnectionStringBuilder { ConnectionString = connectionString }.Keys.Cast<string>().Any(k => Failure.Secret().IsMatch(k) && k != "persist security info");
        }
        catch (ArgumentException)
        {
            return Failure.Secret().IsMatch(connectionString);
        }
    }

    // A file that is not there is a mistyped path, which SQLite would turn into an empty database.
    private static string PrepareSqlite(string connectionString, string directory)
    {
        var builder = new SqliteConnectionStringBuilder(connectionString);
        var isFile = builder.Mode != SqliteOpenMode.Memory && builder.DataSource is not ":memory:" && !builder.DataSource.StartsWith("file:", StringComparison.Ordinal);
        if (!isFile)
            return builder.ConnectionString;
        if (builder.DataSource.Length == 0)
            throw new EnvelopeConfigurationException(CliMessages.MalformedConnection("sqlite"));
        builder.DataSource = Path.GetFullPath(builder.DataSource, directory);
        if (!File.Exists(builder.DataSource))
            throw new EnvelopeConfigurationException(CliMessages.NoSqliteFile(builder.DataSource));
        if (builder.Mode == SqliteOpenMode.ReadWriteCreate)
            builder.Mode = SqliteOpenMode.ReadWrite;
        return builder.ConnectionString;
    }

    private static string PreparePostgres(string connectionString, string directory)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        builder.ApplicationName ??= CliMessages.Tool;

        // What the driver would refuse when it connects, a host that is missing for one, it refuses here.
        using var connection = new NpgsqlConnection(builder.ConnectionString);
        return builder.ConnectionString;
    }

    private static string PrepareSqlServer(string connectionString, string directory)
    {
        var builder = new SqlConnectionStringBuilder(connectionString);
        if (!builder.ShouldSerialize("Application Name"))
            builder.ApplicationName = CliMessages.Tool;
        if (builder.DataSource.Length == 0)
            throw new ArgumentException(null, nameof(connectionString));
        return builder.ConnectionString;
    }
}
