using System.Data.Common;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Functional.TestUtilities;

public sealed class SqliteTestDatabase : TestDatabase
{
    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"efenvelope-{Guid.NewGuid():N}.db");

    private string ConnectionString => $"Data Source={Path};Pooling=False";

    public override ValueTask CreateAsync() => ValueTask.CompletedTask;

    // How many configurations all tests together have is told by none of them.
    public override DbContextOptionsBuilder UseProvider(DbContextOptionsBuilder options)
        => options.UseSqlite(ConnectionString).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    public override DbConnection CreateConnection() => new SqliteConnection(ConnectionString);

    public override ValueTask DisposeAsync()
    {
        foreach (var suffix in new[] { "", "-wal", "-shm", "-journal" })
            File.Delete(Path + suffix);
        return ValueTask.CompletedTask;
    }
}
