using System.Text.Json;
using EfEnvelope.BlindIndexes;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Reads the encryption map, and writes the rows of columns that a job encrypts or decrypts.</summary>
internal static class MapStore
{
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
        return new EncryptionMap(
            [.. rows.Select(r => ToColumn((string)r[0]!, (string)r[1]!, (string)r[2]!, (string)r[3]!, (string)r[4]!, (string)r[5]!, (string?)r[6]))
                .OrderBy(c => c.Schema, StringComparer.Ordinal).ThenBy(c => c.Table, StringComparer.Ordinal).ThenBy(c => c.Column, StringComparer.Ordinal)]);
    }

    /// <summary>Adds a column, or replaces what the map says of it.</summary>
    public static async Task PutAsync(Session session, MapColumn column, CancellationToken cancellationToken)
    {
        await RemoveAsync(session, column.Schema, column.Table, column.Column, cancellationToken).ConfigureAwait(false);
        var definition = column.Definition
            ?? (!column.IsText ? null
                : column.IsUnchecked ? JsonSerializer.Serialize(new { storage = "text", allowsPlaintext = column.AllowsPlaintext, @unchecked = true })
                : JsonSerializer.Serialize(new { storage = "text", allowsPlaintext = column.AllowsPlaintext }));
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
            $"DELETE FROM {dialect.Table(session.Schema, EnvelopeTables.Map)} WHERE {dialect.Quote(EnvelopeTables.TableSchema)} = @p0 AND {dialect.Quote(EnvelopeTables.TableName)} = @p1 AND {dialect.Quote(EnvelopeTables.ColumnName)} = @p2",
            [schema, table, column], cancellationToken).ConfigureAwait(false);
    }

    public static async Task<bool> ExistsAsync(Session session, string table, CancellationToken cancellationToken)
        => await session.Dialect.FindTableAsync(session, session.Schema ?? "", table, cancellationToken).ConfigureAwait(false) is not null;

    private static MapColumn ToColumn(string schema, string table, string column, string field, string mode, string type, string? definition)
    {
        var found = new MapColumn
        {
            Schema = schema,
            Table = table,
            Column = column,
            Field = field,
            Kind = mode == "blindindex" ? MapColumnKind.BlindIndex : MapColumnKind.Value,
            Mode = mode == "deterministic" ? EncryptionMode.Deterministic : EncryptionMode.Randomized,
            PlaintextType = type,
            Definition = definition,
        };
        if (definition is null)
            return found;
        using var json = JsonDocument.Parse(definition);
        var root = json.RootElement;
        found = found with { NextOf = Text(root, "NextOf") ?? Text(root, "nextOf") };
        if (found.Kind == MapColumnKind.BlindIndex)
        {
            var index = BlindIndexDefinition.Parse(definition);
            return found with { Sources = index.Properties, IsUnique = index.IsUnique };
        }

        return found with
        {
            IsText = Text(root, "storage") == "text",
            AllowsPlaintext = root.TryGetProperty("allowsPlaintext", out var allows) && allows.ValueKind == JsonValueKind.True,
            IsUnchecked = root.TryGetProperty("unchecked", out var isUnchecked) && isUnchecked.ValueKind == JsonValueKind.True,
            IsUnique = root.TryGetProperty("unique", out var unique) && unique.ValueKind == JsonValueKind.True,
        };
    }

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
