using System.Text.Json;
using EfEnvelope.BlindIndexes;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Reads the encryption map, and writes the rows of columns that a job encrypts or decrypts.</summary>
internal static class MapStore
{
    private static readonly JsonSerializerOptions WithoutNulls = new() { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };

    public static async Task<EncryptionMap> ReadAsync(Session session, CancellationToken cancellationToken)
    {
        if (!await ExistsAsync(session, EnvelopeTables.Map, cancellationToken).ConfigureAwait(false))
            return new EncryptionMap([]);
        string[] names =
        [
            EnvelopeTables.TableSchema, EnvelopeTables.TableName, EnvelopeTables.ColumnName, EnvelopeTables.Field, EnvelopeTables.Mode,
            EnvelopeTables.PlaintextType, EnvelopeTables.Definition,
        ];
        var dialect = session.Dialect;
        var list = string.Join(", ", names.Select(dialect.Quote));
        var rows = await session.QueryAsync($"SELECT {list} FROM {dialect.Table(session.Schema, EnvelopeTables.Map)}", [], cancellationToken).ConfigureAwait(false);
        var (columns, malformed) = StoredRows.ReadAll(EnvelopeTables.Map, rows, NameOf, ToColumn);
        return new EncryptionMap(
            [.. columns.OrderBy(c => c.Schema, StringComparer.Ordinal).ThenBy(c => c.Table, StringComparer.Ordinal).ThenBy(c => c.Column, StringComparer.Ordinal)])
        {
            Malformed = malformed,
        };
    }

    private static string NameOf(object?[] row) => string.Join('.', row.Take(3).Select(StoredRows.Display).Where((part, i) => i > 0 || part.Length > 0));

    /// <summary>Adds a column, or replaces what the map says of it.</summary>
    public static async Task PutAsync(Session session, MapColumn column, CancellationToken cancellationToken)
    {
        await RemoveAsync(session, column.Schema, column.Table, column.Column, cancellationToken).ConfigureAwait(false);
        var definition = column.Definition
            ?? (!column.IsText ? null
                : JsonSerializer.Serialize(
                    new
                    {
                        storage = "text", allowsPlaintext = column.AllowsPlaintext, @unchecked = column.IsUnchecked ? true : (bool?)null, declared = column.IsDeclared, ended = column.EndedBy,
                    },
                    WithoutNulls));
        var dialect = session.Dialect;
        string[] names =
        [
            EnvelopeTables.TableSchema, EnvelopeTables.TableName, EnvelopeTables.ColumnName, EnvelopeTables.Field, EnvelopeTables.Mode,
            EnvelopeTables.PlaintextType, EnvelopeTables.Definition,
        ];
        await session.ExecuteAsync(
            $"INSERT INTO {dialect.Table(session.Schema, EnvelopeTables.Map)} ({string.Join(", ", names.Select(dialect.Quote))}) VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6)",
            [column.Schema, column.Table, column.Column, column.Field, column.Mode.ToString().ToLowerInvariant(), column.PlaintextType, definition],
            cancellationToken).ConfigureAwait(false);
    }

    public static async Task RemoveAsync(Session session, string schema, string table, string column, CancellationToken cancellationToken)
    {
        var dialect = session.Dialect;
        await session.ExecuteAsync(
            $"DELETE FROM {dialect.Table(session.Schema, EnvelopeTables.Map)} WHERE {dialect.IsName(EnvelopeTables.TableSchema, "@p0")}"
                + $" AND {dialect.IsName(EnvelopeTables.TableName, "@p1")} AND {dialect.IsName(EnvelopeTables.ColumnName, "@p2")}",
            [schema, table, column], cancellationToken).ConfigureAwait(false);
    }

    public static async Task<bool> ExistsAsync(Session session, string table, CancellationToken cancellationToken)
        => await session.Dialect.FindTableAsync(session, session.Schema ?? "", table, cancellationToken).ConfigureAwait(false) is not null;

    private static MapColumn ToColumn(object?[] row)
    {
        var mode = StoredRows.Value(EnvelopeTables.Mode, row[4], v => (string)v is "randomized" or "deterministic" or "blindindex" ? (string)v : throw new FormatException());
        var column = new MapColumn
        {
            Schema = StoredRows.Text(EnvelopeTables.TableSchema, row[0]),
            Table = StoredRows.Name(EnvelopeTables.TableName, row[1]),
            Column = StoredRows.Name(EnvelopeTables.ColumnName, row[2]),
            Field = StoredRows.Name(EnvelopeTables.Field, row[3]),
            Kind = mode == "blindindex" ? MapColumnKind.BlindIndex : MapColumnKind.Value,
            Mode = mode == "deterministic" ? EncryptionMode.Deterministic : EncryptionMode.Randomized,
            PlaintextType = StoredRows.Name(EnvelopeTables.PlaintextType, row[5]),
            Definition = StoredRows.ValueOrNull(EnvelopeTables.Definition, row[6], v => (string)v),
        };
        return column.Definition is null && column.Kind == MapColumnKind.Value ? column : StoredRows.Value(EnvelopeTables.Definition, column.Definition, v => WithDefinition(column, (string)v));
    }

    private static MapColumn WithDefinition(MapColumn found, string definition)
    {
        using var json = JsonDocument.Parse(definition);
        var root = json.RootElement;
        found = found with { NextOf = Text(root, "NextOf") ?? Text(root, "nextOf") };
        if (found.Kind == MapColumnKind.BlindIndex)
        {
            var index = BlindIndexDefinition.Parse(definition);
            if (index.Properties.Count == 0 || index.Properties.Any(string.IsNullOrEmpty) || index.Normalizations.Count != index.Properties.Count
                || !index.Normalizations.All(Enum.IsDefined) || !Enum.IsDefined(index.Projection) || BlindIndexContext.FindLengthFault("", index.Length) is not null)
                throw new FormatException();
            return found with { Sources = index.Properties, IsUnique = index.IsUnique };
        }

        return found with
        {
            IsText = Text(root, "storage") == "text",
            AllowsPlaintext = IsTrue(root, "allowsPlaintext"),
            IsUnchecked = IsTrue(root, "unchecked"),
            IsUnique = IsTrue(root, "unique"),
            IsDeclared = IsTrue(root, root.TryGetProperty("declared", out _) ? "declared" : "allowsPlaintext"),
            EndedBy = root.TryGetProperty("ended", out var ended) && ended.ValueKind == JsonValueKind.Number && ended.TryGetInt64(out var job) ? job : null,
        };
    }

    private static bool IsTrue(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static string? Text(JsonElement root, string name)
        => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Makes what a blind index of the map is computed by.</summary>
    public static BlindIndexContext ContextOf(MapColumn index, IReadOnlyList<MapColumn> table)
    {
        var definition = BlindIndexDefinition.Parse(index.Definition!);
        var parts = definition.Properties.Select(
            (column, i) =>
            {
                var source = table.FirstOrDefault(c => c.Column == column && c.Kind == MapColumnKind.Value)
                    ?? throw new EnvelopeConfigurationException(RotationMessages.IndexSourceMissing(index.Name, column));
                return new BlindIndexPart(source.Field, source.PlaintextType, definition.Normalizations[i], definition.Projection, definition.Characters);
            });
        return BlindIndexContext.Get([.. parts], definition.Length);
    }
}
