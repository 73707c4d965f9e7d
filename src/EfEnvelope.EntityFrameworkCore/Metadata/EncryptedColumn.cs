using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>One encrypted property: the stable name its values are bound to, and the columns it is kept in.</summary>
internal sealed class EncryptedColumn(IMutableProperty property, string fieldName, EncryptedAttribute mark)
{
    /// <summary>Gets <c>Entity.Property</c>, for messages.</summary>
    public string Name { get; } = EnvelopeRules.NameOf(property);

    public IMutableProperty Property => property;

    public string Field => fieldName;

    public bool IsExplicit => mark.Context is not null;

    public EncryptionMode Mode => mark.Mode;

    public EnvelopeAlgorithm Algorithm => Mode == EncryptionMode.Deterministic ? EnvelopeAlgorithm.Aes256Siv : EnvelopeAlgorithm.Aes256Gcm;

    public bool IsText => mark.Storage == EncryptedStorage.Text;

    public bool AllowsPlaintext { get; } = EnvelopeAnnotations.AllowsPlaintext(property);

    public bool StoresPlaintext { get; } = EnvelopeAnnotations.StoresPlaintext(property);

    /// <summary>Gets or sets whether a unique index compares the values themselves.</summary>
    public bool IsUnique { get; set; } = mark.Mode == EncryptionMode.Deterministic && property.GetContainingIndexes().Any(i => i.IsUnique);

    public string PlaintextType { get; set; } = "";

    public required IReadOnlyList<(StoreObjectIdentifier Table, string Column)> Columns { get; init; }

    public string ColumnName => Columns.Count > 0 ? Columns[0].Column : property.GetColumnName();

    public static EncryptedColumn? Create(IMutableProperty property, EncryptedAttribute mark, List<string> faults)
    {
        var name = EnvelopeRules.NameOf(property);
        var columns = FindColumns(property);
        var field = mark.Context ?? DefaultField(property, columns);
        if (field is null)
            faults.Add(EnvelopeMessages.ContextNeeded(name));
        else if (field.Length is 0 or > FieldContext.MaxNameLength)
            faults.Add(EnvelopeMessages.ContextLength(name, FieldContext.MaxNameLength));
        else
            return new EncryptedColumn(property, field, mark) { Columns = columns };
        return null;
    }

    public static List<(StoreObjectIdentifier Table, string Column)> FindColumns(IReadOnlyProperty property)
        => [.. property.GetMappedStoreObjects(StoreObjectType.Table)
            .Select(table => (Table: table, Column: property.GetColumnName(table)))
            .Where(c => c.Column is not null)
            .Select(c => (c.Table, c.Column!))];

    /// <summary>Lets EF Core write a property when it writes those that it is computed from, and only then.</summary>
    public static void WriteWith(IMutableProperty property, IEnumerable<IReadOnlyProperty> sources)
    {
        if (sources.Any(s => s.GetBeforeSaveBehavior() != PropertySaveBehavior.Save))
            property.SetBeforeSaveBehavior(PropertySaveBehavior.Ignore);
        if (sources.All(s => s.GetAfterSaveBehavior() != PropertySaveBehavior.Save))
            property.SetAfterSaveBehavior(PropertySaveBehavior.Ignore);
    }

    // Table and column, with the schema if there is one. Where each concrete type has its own table (TPC), a value is named after the table that its
    // declaring type has or would have, so that a further derived type changes nothing. A view shows a column whose name is not known here.
    private static string? DefaultField(IMutableProperty property, List<(StoreObjectIdentifier Table, string Column)> columns)
    {
        if (columns.Count == 0)
            return null;
        var entityType = property.DeclaringType.ContainingEntityType;
        var (schema, table) = entityType.GetMappingStrategy() == RelationalAnnotationNames.TpcMappingStrategy
            ? (entityType.GetSchema() ?? entityType.GetDefaultSchema(), entityType.GetTableName() ?? entityType.GetDefaultTableName() ?? entityType.ShortName())
            : (columns[0].Table.Schema, columns[0].Table.Name);
        var parts = schema is null ? [table, columns[0].Column] : new[] { schema, table, columns[0].Column };
        return string.Join('.', parts.Select(Quote));
    }

    // A part that holds a dot or a quote is quoted, so that different columns never get one name.
    private static string Quote(string part)
        => part.AsSpan().IndexOfAny('.', '"') < 0 ? part : $"\"{part.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
