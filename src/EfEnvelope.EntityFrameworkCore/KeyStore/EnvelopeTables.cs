using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// The three tables of EfEnvelope, described once: the user's model brings them into migrations, the key store reads and writes them.
/// All names and types are explicit, so that no naming or type convention of an application can change them.
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

    public static void AddKeyStore(IMutableModel model, string? schema)
    {
        var keys = AddTable(model, Keys, schema);
        Add(keys, Scope, typeof(string), maxLength: 200, ascii: true);
        Add(keys, Version, typeof(int));
        Add(keys, Status, typeof(string), maxLength: 20, ascii: true);
        Add(keys, WrappedKey, typeof(string), nullable: true);
        Add(keys, Commitment, typeof(string), maxLength: 64, ascii: true);
        Add(keys, CreatedAt, typeof(string), maxLength: 40, ascii: true);
        Add(keys, EncryptsFrom, typeof(string), maxLength: 40, ascii: true, nullable: true);
        Add(keys, EncryptsUntil, typeof(string), maxLength: 40, ascii: true, nullable: true);
        Add(keys, SearchesFrom, typeof(string), maxLength: 40, ascii: true, nullable: true);
        Add(keys, UniqueFrom, typeof(string), maxLength: 40, ascii: true, nullable: true);
        Add(keys, RetiredAt, typeof(string), maxLength: 40, ascii: true, nullable: true);
        Add(keys, Revision, typeof(int));
        SetKey(keys, Scope, Version);

        var usage = AddTable(model, Usage, schema);
        Add(usage, Scope, typeof(string), maxLength: 200, ascii: true);
        Add(usage, Version, typeof(int));
        Add(usage, Field, typeof(string), maxLength: FieldContext.MaxNameLength);
        Add(usage, Reserved, typeof(long));
        SetKey(usage, Scope, Version, Field);
    }

    public static IMutableEntityType AddMap(IMutableModel model, string? schema)
    {
        var map = AddTable(model, Map, schema);
        Add(map, TableSchema, typeof(string), maxLength: 128);
        Add(map, TableName, typeof(string), maxLength: 128);
        Add(map, ColumnName, typeof(string), maxLength: 128);
        Add(map, Field, typeof(string), maxLength: FieldContext.MaxNameLength);
        Add(map, Mode, typeof(string), maxLength: 20, ascii: true);
        Add(map, PlaintextType, typeof(string), maxLength: 20, ascii: true);
        Add(map, Definition, typeof(string), nullable: true);
        SetKey(map, TableSchema, TableName, ColumnName);
        return map;
    }

    private static IMutableEntityType AddTable(IMutableModel model, string name, string? schema)
    {
        // Property bags: the tables have no CLR type, so none of ours appears in an application's snapshots or compiled models.
        var table = model.AddEntityType(name, typeof(Dictionary<string, object>));
        table.SetTableName(name);
        table.SetSchema(schema);
        return table;
    }

    private static void Add(
        IMutableEntityType table, string name, Type type, int? maxLength = null, bool ascii = false, bool nullable = false)
    {
        var property = table.AddIndexerProperty(name, type);

        // Whatever an application configures for all its strings or numbers (types, converters, lengths, collations) has come with it.
        foreach (var annotation in property.GetAnnotations().ToList())
            property.RemoveAnnotation(annotation.Name);
        property.SetColumnName(name);
        property.IsNullable = nullable;
        property.ValueGenerated = ValueGenerated.Never;
        property.SetMaxLength(maxLength);
        property.SetIsUnicode(ascii ? false : null);
    }

    private static void SetKey(IMutableEntityType table, params string[] names)
        => table.SetPrimaryKey(names.Select(n => table.FindProperty(n)!).ToList());
}
