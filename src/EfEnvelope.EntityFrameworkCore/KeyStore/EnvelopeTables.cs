using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// The tables of EfEnvelope, described once: migrations create them, the key store reads and writes them. They are not in an application's model, so no
/// convention reaches them, and several contexts of one database share them. No table ever gets another column: what a later version needs is a table of its
/// own, because contexts with different versions of this library share them, too.
/// </summary>
internal static class EnvelopeTables
{
    public const string Keys = "__EnvelopeKeys";
    public const string Usage = "__EnvelopeUsage";
    public const string Map = "__EnvelopeMap";

    // Key store: one row per key version.
    public const string Scope = "Scope";
    public const string Version = "Version";
    public const string Status = "Status";
    public const string WrappedKey = "WrappedKey";
    public const string Commitment = "Commitment";
    public const string CreatedAt = "CreatedAt";
    public const string EncryptsFrom = "EncryptsFrom";
    public const string EncryptsUntil = "EncryptsUntil";
    public const string SearchesFrom = "SearchesFrom";
    public const string UniqueFrom = "UniqueFrom";
    public const string RetiredAt = "RetiredAt";
    public const string Revision = "Revision";

    // Usage: one row per key version and column, counting reserved encryptions.
    public const string Field = "Field";
    public const string Reserved = "Reserved";

    // Encryption map: one row per encrypted column.
    public const string TableSchema = "TableSchema";
    public const string TableName = "TableName";
    public const string ColumnName = "ColumnName";
    public const string Mode = "Mode";
    public const string PlaintextType = "PlaintextType";
    public const string Definition = "Definition";

    /// <summary>Gets how the key store writes a status.</summary>
    public static string StatusOf(KeyVersionStatus status) => status.ToString().ToLowerInvariant();

    /// <summary>Gets the tables, in the order in which they are created.</summary>
    public static IReadOnlyList<StoreTable> All { get; } =
    [
        new(
            Keys,
            KeyLength: 2,
            [
                new(Scope, typeof(string), MaxLength: 200, IsAscii: true, IsName: true),
                new(Version, typeof(int)),
                new(Status, typeof(string), MaxLength: 20, IsAscii: true),
                new(WrappedKey, typeof(string), IsNullable: true),
                new(Commitment, typeof(string), MaxLength: 64, IsAscii: true),
                new(CreatedAt, typeof(string), MaxLength: 40, IsAscii: true),
                new(EncryptsFrom, typeof(string), MaxLength: 40, IsAscii: true, IsNullable: true),
                new(EncryptsUntil, typeof(string), MaxLength: 40, IsAscii: true, IsNullable: true),
                new(SearchesFrom, typeof(string), MaxLength: 40, IsAscii: true, IsNullable: true),
                new(UniqueFrom, typeof(string), MaxLength: 40, IsAscii: true, IsNullable: true),
                new(RetiredAt, typeof(string), MaxLength: 40, IsAscii: true, IsNullable: true),
                new(Revision, typeof(int)),
            ]),
        new(
            Usage,
            KeyLength: 3,
            [
                new(Scope, typeof(string), MaxLength: 200, IsAscii: true, IsName: true),
                new(Version, typeof(int)),
                new(Field, typeof(string), MaxLength: FieldContext.MaxNameLength, IsName: true),
                new(Reserved, typeof(long)),
            ]),
        new(
            Map,
            KeyLength: 3,
            [
                new(TableSchema, typeof(string), MaxLength: 128, IsName: true),
                new(TableName, typeof(string), MaxLength: 128, IsName: true),
                new(ColumnName, typeof(string), MaxLength: 128, IsName: true),
                new(Field, typeof(string), MaxLength: FieldContext.MaxNameLength, IsName: true),
                new(Mode, typeof(string), MaxLength: 20, IsAscii: true),
                new(PlaintextType, typeof(string), MaxLength: 20, IsAscii: true),
                new(Definition, typeof(string), IsNullable: true),
            ]),
    ];

    /// <summary>Tells whether an operation of a migration is one on our tables, as migrations of earlier versions have them.</summary>
    public static bool IsOurs(MigrationOperation operation)
        => operation switch
        {
            CreateTableOperation create => IsOurs(create.Name),
            DropTableOperation drop => IsOurs(drop.Name),
            RenameTableOperation rename => IsOurs(rename.Name),
            AlterTableOperation alter => IsOurs(alter.Name),
            ITableMigrationOperation other => IsOurs(other.Table),
            _ => false,
        };

    /// <summary>Tells whether a context with this model has our tables in its database: it has none without an encrypted property.</summary>
    public static bool AreUsedBy(IReadOnlyModel model)
        => model[EnvelopeAnnotations.Schema] is string || model.FindEntityType(Keys) is not null;

    /// <summary>
    /// Finds the schema of our tables, or <see langword="null" /> for the database's own default. Models of earlier versions have the tables themselves.
    /// </summary>
    public static string? FindSchema(IReadOnlyModel model)
        => model[EnvelopeAnnotations.Schema] is string schema ? (schema.Length == 0 ? null : schema) : model.FindEntityType(Keys)?.GetSchema();

    /// <summary>Adds the tables to a model of our own, by which they are read and written.</summary>
    public static void AddTo(IMutableModel model, string? schema)
    {
        model.SetAnnotation(EnvelopeAnnotations.Schema, schema ?? "");
        foreach (var table in All)
        {
            var type = model.AddEntityType(table.Name, typeof(Dictionary<string, object>));
            type.SetTableName(table.Name);
            type.SetSchema(schema);
            foreach (var column in table.Columns)
            {
                var property = type.AddIndexerProperty(column.Name, column.Type);
                property.SetColumnName(column.Name);
                property.IsNullable = column.IsNullable;
                property.ValueGenerated = ValueGenerated.Never;
                property.SetMaxLength(column.MaxLength);
                property.SetIsUnicode(column.IsAscii ? false : null);
            }

            type.SetPrimaryKey(table.Key.Select(c => type.FindProperty(c.Name)!).ToList());
        }
    }

    private static bool IsOurs(string table) => table is Keys or Usage or Map;
}

/// <summary>A table of EfEnvelope; its key is its first columns.</summary>
internal sealed record StoreTable(string Name, int KeyLength, IReadOnlyList<StoreColumn> Columns)
{
    public IEnumerable<StoreColumn> Key => Columns.Take(KeyLength);

    /// <summary>Gets a value of one of the table's columns.</summary>
    public StoreValue Value(string column, object? value) => new(Columns.Single(c => c.Name == column), value);
}

/// <summary>A column of a table of EfEnvelope. Names are compared byte by byte.</summary>
internal sealed record StoreColumn(
    string Name, Type Type, int? MaxLength = null, bool IsAscii = false, bool IsNullable = false, bool IsName = false);
