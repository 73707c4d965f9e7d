using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>A row of the encryption map: a column that holds envelopes or a blind index, and how.</summary>
internal sealed record MapRow(string Schema, string Table, string Column, string Field, string Mode, string PlaintextType, string? Definition)
{
    /// <summary>Gets the values, in the order of the table's columns.</summary>
    public IReadOnlyList<string?> Values => [Schema, Table, Column, Field, Mode, PlaintextType, Definition];

    public bool IsText => Definition?.Contains("\"storage\":\"text\"", StringComparison.Ordinal) == true;

    public static MapRow Of(IReadOnlyList<string?> values)
        => new(values[0]!, values[1]!, values[2]!, values[3]!, values[4]!, values[5]!, values.ElementAtOrDefault(6));

    /// <summary>Makes the rows of a model, whose properties have the names by now that its tables get.</summary>
    public static IReadOnlyList<MapRow> Of(IMutableModel model)
        =>
        [
            .. MarkedMembers.FindTypes(model).SelectMany(t => t.GetDeclaredProperties()).SelectMany(Of)
                .DistinctBy(r => (r.Schema, r.Table, r.Column))
                .OrderBy(r => $"{r.Schema}\0{r.Table}\0{r.Column}", StringComparer.Ordinal),
        ];

    /// <summary>Tells whether two rows are of one column.</summary>
    public bool IsOf(MapRow other) => (Schema, Table, Column) == (other.Schema, other.Table, other.Column);

    private static IEnumerable<MapRow> Of(IMutableProperty property)
    {
        var main = property[EnvelopeAnnotations.Next] is string name ? property.DeclaringType.FindProperty(name)! : property;
        foreach (var column in EncryptedColumn.FindColumns(property))
        {
            var nextOf = main == property ? null : main.GetColumnName(column.Table);
            if (EnvelopeAnnotations.FindBlindIndex(main) is { } index)
                yield return OfIndex(column, main, index, nextOf);
            else if (main[EnvelopeAnnotations.PlaintextType] is string type)
                yield return OfValue(column, property, main, type, nextOf);
        }
    }

    private static MapRow OfIndex((StoreObjectIdentifier Table, string Column) column, IReadOnlyProperty main, BlindIndexDefinition index, string? nextOf)
    {
        var sources = index.Properties.Select(p => main.DeclaringType.FindProperty(p)!).ToList();
        return new MapRow(
            column.Table.Schema ?? "", column.Table.Name, column.Column, (string)sources[0][EnvelopeAnnotations.Context]!, "blindindex", "blindindex",
            (index with { Properties = [.. sources.Select(s => s.GetColumnName(column.Table)!)], NextOf = nextOf }).Format());
    }

    private static MapRow OfValue(
        (StoreObjectIdentifier Table, string Column) column, IMutableProperty stored, IReadOnlyProperty main, string type, string? nextOf)
    {
        var definition = new JsonObject();
        if (main[EnvelopeAnnotations.Storage] is nameof(EncryptedStorage.Text))
            (definition["storage"], definition["allowsPlaintext"]) = ("text", EnvelopeAnnotations.AllowsPlaintext(main));
        if (nextOf is not null)
            definition["nextOf"] = nextOf;
        if (EnvelopeAnnotations.IsUnchecked(main) || EnvelopeCheck.FindTables(stored).All(t => t.Table != column.Table))
            definition["unchecked"] = true;
        return new MapRow(
            column.Table.Schema ?? "", column.Table.Name, column.Column, (string)main[EnvelopeAnnotations.Context]!,
            ((string)main[EnvelopeAnnotations.Encrypted]!).ToLowerInvariant(), type, definition.Count > 0 ? definition.ToJsonString() : null);
    }
}

/// <summary>
/// What a model says of our tables: their schema, their names, and the rows of the encryption map. Kept in annotations as text, so that it is in snapshots.
/// </summary>
internal sealed record StoreDescription(string Schema, string Tables, string Map)
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public string? SchemaName => Schema.Length == 0 ? null : Schema;

    public IReadOnlyList<MapRow> Rows => [.. JsonSerializer.Deserialize<List<string?[]>>(Map)!.Select(MapRow.Of)];

    public static StoreDescription Of(string? schema, IEnumerable<MapRow> rows, string? provider = null)
        => new(
            schema ?? "",
            string.Join(", ", EnvelopeTables.All.Select(t => t.Name)) + EnvelopeTablesSql.DescribeNames(provider),
            JsonSerializer.Serialize(rows.Select(r => r.Definition is null ? r.Values.Take(6) : r.Values), Readable));

    /// <summary>Finds what a model, its database or an operation on it says.</summary>
    public static StoreDescription? Find(IReadOnlyAnnotatable annotatable)
        => annotatable[EnvelopeAnnotations.Schema] is string schema && annotatable[EnvelopeAnnotations.Map] is string map
            ? new StoreDescription(schema, (string?)annotatable[EnvelopeAnnotations.Tables] ?? "", map)
            : null;

    /// <summary>Finds what a snapshot says; those of earlier versions have the tables themselves.</summary>
    public static StoreDescription? FindOrRead(IModel model)
    {
        if (Find(model) is { } found)
            return found;
        return model.FindEntityType(EnvelopeTables.Map) is { } map
            ? Of(
                map.GetSchema(),
                map.GetSeedData().Select(
                    row => MapRow.Of([.. EnvelopeTables.All[^1].Columns.Select(c => row.TryGetValue(c.Name, out var value) ? (string?)value : null)])))
            : null;
    }

    public IEnumerable<IAnnotation> ToAnnotations()
        =>
        [
            new Annotation(EnvelopeAnnotations.Map, Map),
            new Annotation(EnvelopeAnnotations.Schema, Schema),
            new Annotation(EnvelopeAnnotations.Tables, Tables),
        ];
}
