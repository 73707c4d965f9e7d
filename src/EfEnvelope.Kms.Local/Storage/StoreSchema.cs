using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>Makes the tables and columns of the KMS that are missing, in a database that may hold others.</summary>
internal static class StoreSchema
{
    /// <summary>Runs in the transaction of the context, with other creators shut out.</summary>
    public static async Task CompleteAsync(KmsDbContext db, StoreDialect dialect, CancellationToken cancellationToken)
    {
        var present = await ReadColumnsAsync(db, dialect, cancellationToken).ConfigureAwait(false);
        var model = db.GetService<IDesignTimeModel>().Model;
        var operations = new List<MigrationOperation>();
        foreach (var operation in db.GetService<IMigrationsModelDiffer>().GetDifferences(null, model.GetRelationalModel()))
        {
            switch (operation)
            {
                case CreateTableOperation table when !present.Contains((table.Name, "")):
                    operations.Add(table);
                    break;
                case CreateTableOperation table:
                    operations.AddRange(table.Columns.Where(c => !present.Contains((table.Name, c.Name))).Select(WithDefault));
                    break;
                case CreateIndexOperation index when !present.Contains((index.Table, "")):
                    operations.Add(index);
                    break;
            }
        }

        foreach (var command in db.GetService<IMigrationsSqlGenerator>().Generate(operations, model))
            await command.ExecuteNonQueryAsync(db.GetService<IRelationalConnection>(), cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    private static AddColumnOperation WithDefault(AddColumnOperation column)
    {
        if (!column.IsNullable)
        {
            column.DefaultValue = column.ClrType == typeof(string)
                ? ""
                : column.ClrType == typeof(byte[]) ? Array.Empty<byte>() : Activator.CreateInstance(column.ClrType);
        }

        return column;
    }

    // Each table is there under the empty column name too.
    private static async Task<HashSet<(string Table, string Column)>> ReadColumnsAsync(
        KmsDbContext db, StoreDialect dialect, CancellationToken cancellationToken)
    {
        var columns = new HashSet<(string, string)>();
        var command = db.Database.GetDbConnection().CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText = dialect.ColumnsSql;
            command.Transaction = db.Database.CurrentTransaction!.GetDbTransaction();
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    columns.Add((reader.GetString(0), ""));
                    columns.Add((reader.GetString(0), reader.GetString(1)));
                }
            }
        }

        return columns;
    }
}
