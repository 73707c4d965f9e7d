using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.TestUtilities;

public sealed class SqliteWorld : ToolWorld
{
    public override string Provider => "sqlite";

    public string DatabaseFile => Path.Combine(Directory, "clinic.db");

    public override string ConnectionString => $"Data Source={DatabaseFile};Pooling=False";

    protected override string TablesSql => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";

    public override DbConnection CreateConnection() => new SqliteConnection(ConnectionString);

    protected override string ColumnsSql(string table) => $"SELECT name, type FROM pragma_table_info('{table}') ORDER BY cid";

    protected override Task CreateDatabaseAsync() => Task.CompletedTask;

    protected override Task DropDatabaseAsync() => Task.CompletedTask;

    protected override void UseProvider(DbContextOptionsBuilder builder) => builder.UseSqlite(ConnectionString);
}
