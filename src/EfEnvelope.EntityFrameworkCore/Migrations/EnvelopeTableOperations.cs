using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace EfEnvelope.EntityFrameworkCore.Migrations;

/// <summary>
/// Turns what a migration says of our tables into SQL: they are created where they are missing and never dropped, and rows of the encryption map are added or
/// replaced. A row is deleted only where the same migration ends the encryption of its column: it drops the column, gives it another name, or makes it a plain
/// one, which fails while a row still looks like an envelope. Migrations of earlier versions, which create and drop the tables, are turned into the same.
/// </summary>
internal sealed class EnvelopeTableOperations(EnvelopeTablesSql sql, IReadOnlyList<MigrationOperation> operations, IModel? model, bool isIdempotent)
{
    private readonly string? _schema = FindSchema(operations, model);
    private readonly List<MapRow> _removed = [.. operations.SelectMany(FindRemoved)];

    public IReadOnlyList<MigrationOperation> Rewrite() => [.. operations.SelectMany(Rewrite)];

    private IEnumerable<MigrationOperation> Rewrite(MigrationOperation operation)
        => operation switch
        {
            AlterDatabaseOperation database => [database, .. ChangeStore(StoreDescription.Find(database.OldDatabase), StoreDescription.Find(database))],
            AlterColumnOperation column when MigrationRules.EndsEncryption(column) || FindRemoved(column) is not null => [EndEncryption(column), column],
            _ when !EnvelopeTables.IsOurs(operation) => [operation],
            CreateTableOperation create => [Sql(sql.Create(EnvelopeTables.All.Single(t => t.Name == create.Name), create.Schema))],
            RenameTableOperation rename => Move(EnvelopeTables.All.Single(t => t.Name == rename.Name), rename.Schema, rename.NewSchema),
            InsertDataOperation { Table: EnvelopeTables.Map } insert => [Sql(sql.Put(RowsOf(insert.Columns, insert.Values), insert.Schema))],
            DeleteDataOperation { Table: EnvelopeTables.Map } delete => Delete(RowsOf(delete.KeyColumns, delete.KeyValues), delete.Schema),
            UpdateDataOperation { Table: EnvelopeTables.Map } => [operation],
            DropTableOperation { Name: EnvelopeTables.Map } drop => DeleteDropped(drop.Schema),
            _ => [],
        };

    private IEnumerable<MigrationOperation> ChangeStore(StoreDescription? old, StoreDescription? now)
    {
        if (now is not null)
        {
            if (now.SchemaName is { } schema)
                yield return new EnsureSchemaOperation { Name = schema };
            foreach (var move in old is null || old.Schema == now.Schema ? [] : EnvelopeTables.All.SelectMany(t => Move(t, old.SchemaName, now.SchemaName)))
                yield return move;
            foreach (var table in EnvelopeTables.All)
            {
                yield return Sql(sql.Create(table, now.SchemaName));
                if (sql.ChangeNames(table, now.SchemaName) is { } change)
                    yield return Sql(change);
            }
        }

        foreach (var deletion in Delete(FindRemoved(old, now), _schema))
            yield return deletion;
        if ((now?.Rows ?? []).Except(old?.Rows ?? []).ToList() is { Count: > 0 } changed)
            yield return Sql(sql.Put(changed, now!.SchemaName));
    }

    private IEnumerable<MigrationOperation> Delete(IEnumerable<MapRow> rows, string? schema)
    {
        var ended = rows.Where(r => operations.Any(o => Ends(o, r))).ToList();
        return ended.Count == 0 ? [] : [Sql(sql.Delete(ended, schema))];
    }

    // With the map, a migration of an earlier version dropped the rows of what it drops besides.
    private IEnumerable<MigrationOperation> DeleteDropped(string? schema)
    {
        var tables = operations.OfType<DropTableOperation>().Where(t => !EnvelopeTables.IsOurs(t)).Select(t => (t.Schema, t.Name)).ToList();
        if (tables.Count > 0)
            yield return Sql(sql.DeleteTables(tables, schema));
        var columns = operations.OfType<DropColumnOperation>().Select(c => new MapRow(c.Schema ?? "", c.Table, c.Name, "", "", "", null)).ToList();
        if (columns.Count > 0)
            yield return Sql(sql.Delete(columns, schema));
    }

    private static bool Ends(MigrationOperation operation, MapRow row)
        => operation switch
        {
            DropTableOperation drop => IsOf(row, drop.Schema, drop.Name),
            RenameTableOperation rename => IsOf(row, rename.Schema, rename.Name),
            DropColumnOperation drop => IsOf(row, drop.Schema, drop.Table, drop.Name),
            RenameColumnOperation rename => IsOf(row, rename.Schema, rename.Table, rename.Name),
            _ => false,
        };

    // Checked and deleted in one batch, so that a tool that goes on after an error deletes nothing.
    private SqlOperation EndEncryption(AlterColumnOperation column)
    {
        var row = FindRemoved(column);
        var isText = row?.IsText == true || column.ClrType == typeof(string);
        var check = sql.Require(column.Table, column.Schema, column.Name, isText, EnvelopeMessages.StillEncrypted($"{column.Table}.{column.Name}"));

        // SQL Server compiles a batch as a whole, also where a script skips it because the column is gone by now.
        var text = row is null ? check : $"{check}\n{sql.Delete([row], _schema)}";
        return Sql(isIdempotent ? sql.Defer(text) : text);
    }

    private MapRow? FindRemoved(AlterColumnOperation column) => _removed.Find(r => IsOf(r, column.Schema, column.Table, column.Name));

    private static IEnumerable<MapRow> FindRemoved(MigrationOperation operation)
        => operation switch
        {
            AlterDatabaseOperation database => FindRemoved(StoreDescription.Find(database.OldDatabase), StoreDescription.Find(database)),
            DeleteDataOperation { Table: EnvelopeTables.Map } delete => RowsOf(delete.KeyColumns, delete.KeyValues),
            _ => [],
        };

    private static IEnumerable<MapRow> FindRemoved(StoreDescription? old, StoreDescription? now)
        => now?.Rows is { } after ? old?.Rows.Where(b => !after.Any(b.IsOf)) ?? [] : old?.Rows ?? [];

    private IEnumerable<MigrationOperation> Move(StoreTable table, string? from, string? to)
        => from != to && sql.Move(table, from, to) is { } move ? [Sql(move)] : [];

    private static List<MapRow> RowsOf(string[] columns, object?[,] values)
        =>
        [
            .. Enumerable.Range(0, values.GetLength(0)).Select(
                i => MapRow.Of(
                    [.. EnvelopeTables.All[^1].Columns.Select(c => Array.IndexOf(columns, c.Name) is var at and >= 0 ? (string?)values[i, at] : null)])),
        ];

    private static string? FindSchema(IReadOnlyList<MigrationOperation> operations, IModel? model)
        => operations.OfType<AlterDatabaseOperation>().Select(d => StoreDescription.Find(d) ?? StoreDescription.Find(d.OldDatabase)).FirstOrDefault(d => d is not null)
                is { } found ? found.SchemaName
            : operations.OfType<DeleteDataOperation>().FirstOrDefault(EnvelopeTables.IsOurs) is { } delete ? delete.Schema
            : model is null ? null : EnvelopeTables.FindSchema(model);

    private static bool IsOf(MapRow row, string? schema, string table, string? column = null)
        => row.Schema == (schema ?? "") && row.Table == table && (column is null || row.Column == column);

    private static SqlOperation Sql(string text) => new() { Sql = text };
}
