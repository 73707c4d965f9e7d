using System.Security.Cryptography;
using EfEnvelope.Benchmarks.Running;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace EfEnvelope.Benchmarks.EfCore;

public enum Database
{
    Sqlite,
    PostgreSql,
}

/// <summary>
/// A database of its own: a SQLite file as EF Core makes it, or one on the server that EFENVELOPE_POSTGRES names. Its contexts are made as those of
/// web requests are: options once, a new context each time. Keys are wrapped by the embedded KMS.
/// </summary>
internal sealed class ClinicDatabase : IAsyncDisposable
{
    private static readonly string? Server = Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("efenvelope-benchmarks-");
    private readonly Database _kind;
    private readonly Engine _engine;
    private readonly string _connection;
    private readonly DbContextOptions<PlainContext> _plain;
    private readonly DbContextOptions<EncryptedContext> _encrypted;

    private ClinicDatabase(Database kind, Engine engine)
    {
        (_kind, _engine) = (kind, engine);
        _connection = kind == Database.Sqlite
            ? $"Data Source={Path.Combine(_folder.FullName, "clinic.db")}"
            : new NpgsqlConnectionStringBuilder(Server) { Database = $"efenvelope_benchmarks_{RandomNumberGenerator.GetHexString(12, lowercase: true)}" }.ConnectionString;
        _plain = UseProvider(new DbContextOptionsBuilder<PlainContext>()).Options;
        _encrypted = UseProvider(new DbContextOptionsBuilder<EncryptedContext>())
            .UseEnvelopeEncryption(e => e.UseLocalKms($"Data Source={Path.Combine(_folder.FullName, "kms.db")}", "correct horse battery staple").UseEngine(engine))
            .Options;
    }

    /// <summary>Gets those that this machine has.</summary>
    public static IEnumerable<Database> Available => Server is null ? [Database.Sqlite] : [Database.Sqlite, Database.PostgreSql];

    /// <summary>Gets the database that all rows and passes of a class share; made and filled the first time.</summary>
    public static Task<ClinicDatabase> GetAsync(Database kind, Engine engine, Func<ClinicDatabase, Task> fill)
        => Kept.GetAsync(
            (kind, engine),
            () => new ClinicDatabase(kind, engine),
            async database =>
            {
                await using (var context = database.Open())
                    await context.Database.EnsureCreatedAsync();
                await fill(database);
            });

    public ClinicContext Open() => _engine == Engine.Plain ? new PlainContext(_plain) : new EncryptedContext(_encrypted);

    public async Task FillAsync<T>(int count, Func<int, T> make)
        where T : class
    {
        foreach (var numbers in Enumerable.Range(1, count).Chunk(5_000))
        {
            await using var context = Open();
            context.AddRange(numbers.Select(make));
            await context.SaveChangesAsync();
        }
    }

    /// <summary>Tells the planner how large the tables are, and leaves it nothing to do while something is measured.</summary>
    public async Task AnalyzeAsync()
    {
        await using var context = Open();
        await context.Database.ExecuteSqlRawAsync(_kind == Database.PostgreSql ? "VACUUM ANALYZE" : "ANALYZE");
    }

    /// <summary>Empties the table of patients, and leaves nothing of it behind that would grow from round to round.</summary>
    public void DeletePatients()
    {
        using var context = Open();
        if (_kind == Database.PostgreSql)
            context.Database.ExecuteSqlRaw("TRUNCATE \"Patients\"");
        else
            context.Patients.ExecuteDelete();
    }

    /// <summary>
    /// Proves that a value, which was read as it should be, is stored as this database should store it: in clear text, or as an envelope of that kind.
    /// </summary>
    public async Task ProveAsync(string table, string column, int id, string value, byte firstByte)
    {
        await using var context = Open();
        await context.Database.OpenConnectionAsync();
        await using var command = context.Database.GetDbConnection().CreateCommand();
        command.CommandText = $"SELECT \"{column}\" FROM \"{table}\" WHERE \"Id\" = {id}";
        var stored = await command.ExecuteScalarAsync();
        if (_engine == Engine.Plain ? stored is not string text || text != value : stored is not byte[] bytes || bytes[0] != firstByte)
            throw new InvalidOperationException($"'{table}.{column}' is not stored as {_engine} should store it.");
    }

    public async ValueTask DisposeAsync()
    {
        await using (var context = Open())
            await context.Database.EnsureDeletedAsync();
        SqliteConnection.ClearAllPools();
        _folder.Delete(recursive: true);
    }

    // How many configurations one process has is told by the number of benchmarks alone.
    private DbContextOptionsBuilder<T> UseProvider<T>(DbContextOptionsBuilder<T> options)
        where T : DbContext
        => (_kind == Database.Sqlite ? options.UseSqlite(_connection) : options.UseNpgsql(_connection))
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
}
