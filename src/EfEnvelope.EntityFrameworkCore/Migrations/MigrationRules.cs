using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace EfEnvelope.EntityFrameworkCore.Migrations;

/// <summary>
/// What a migration must not do: keep plaintext in an encrypted column (SQLite copies it without a word), make encrypted values unreadable, put a plaintext
/// default or plaintext data into rows, or look for rows by an encrypted value.
/// </summary>
internal static class MigrationRules
{
    /// <summary>Finds all faults of a migration.</summary>
    /// <param name="operations">Its operations.</param>
    /// <param name="model">The model that it leads to, or <see langword="null" /> where none is known.</param>
    public static IReadOnlyList<string> FindFaults(IEnumerable<MigrationOperation> operations, IModel? model)
        => [.. operations.SelectMany(o => FindFaults(o, model))];

    /// <summary>Tells whether an operation makes an encrypted column a plain one.</summary>
    public static bool EndsEncryption(AlterColumnOperation operation)
        => IsEncrypted(operation.OldColumn) && !IsBlindIndex(operation.OldColumn) && !IsEncrypted(operation);

    private static IEnumerable<string> FindFaults(MigrationOperation operation, IModel? model)
        => operation switch
        {
            CreateTableOperation table => table.Columns.SelectMany(c => FindFaultOfDefault(c, model)),
            AlterColumnOperation column => [.. FindFaultOfDefault(column, model), .. FindFaultOfChange(column) is { } fault ? [fault] : Array.Empty<string>()],
            ColumnOperation column => FindFaultOfDefault(column, model),
            InsertDataOperation insert => FindFaultsOfData(model, insert.Schema, insert.Table, insert.Columns, insert.Values),
            UpdateDataOperation update =>
            [
                .. FindFaultsOfData(model, update.Schema, update.Table, update.Columns, update.Values),
                .. FindFaultsOfKeys(model, update.Schema, update.Table, update.KeyColumns),
            ],
            DeleteDataOperation delete => FindFaultsOfKeys(model, delete.Schema, delete.Table, delete.KeyColumns),
            _ => [],
        };

    // The model allows no default; one that stands here was written into the migration by hand, as the column's type may have been.
    private static IEnumerable<string> FindFaultOfDefault(ColumnOperation column, IModel? model)
        => (column.DefaultValue is not null || column.DefaultValueSql is not null)
            && (IsEncrypted(column) || FindEncrypted(model, column.Schema, column.Table, [column.Name]).Any())
                ? [EnvelopeMessages.DefaultInMigration($"{column.Table}.{column.Name}")]
                : [];

    private static IEnumerable<string> FindFaultsOfData(IModel? model, string? schema, string table, string[] columns, object?[,] values)
        => FindEncrypted(model, schema, table, columns)
            .Where(i => Enumerable.Range(0, values.GetLength(0)).Any(row => values[row, i] is not null))
            .Select(i => EnvelopeMessages.DataInMigration($"{table}.{columns[i]}"));

    private static IEnumerable<string> FindFaultsOfKeys(IModel? model, string? schema, string table, string[] columns)
        => FindEncrypted(model, schema, table, columns).Select(i => EnvelopeMessages.KeyInMigration($"{table}.{columns[i]}"));

    // Databases differ in whether the case of a name matters; a value too many refused is better than one in clear text.
    private static IEnumerable<int> FindEncrypted(IModel? model, string? schema, string table, string[] columns)
    {
        var encrypted = model?.GetRelationalModel().Tables
            .Where(t => IsSame(t.Name, table) && IsSame(t.Schema, schema ?? model.GetDefaultSchema()))
            .SelectMany(t => t.Columns)
            .Where(c => c.PropertyMappings.Any(m => IsEncrypted(m.Property)))
            .ToList() ?? [];
        return Enumerable.Range(0, columns.Length).Where(i => encrypted.Any(c => IsSame(c.Name, columns[i])));
    }

    private static bool IsSame(string? name, string? other) => string.Equals(name, other, StringComparison.OrdinalIgnoreCase);

    private static bool IsEncrypted(IProperty property)
        => IsCarrier(property.ClrType)
            || property.FindAnnotation(EnvelopeAnnotations.Encrypted) is not null
            || property.FindAnnotation(EnvelopeAnnotations.BlindIndex) is not null;

    private static string? FindFaultOfChange(AlterColumnOperation operation)
    {
        var column = $"{operation.Table}.{operation.Name}";
        return (IsEncrypted(operation.OldColumn), IsEncrypted(operation)) switch
        {
            (false, true) => FindFaultOfEncrypting(column, operation),
            (true, false) when operation.ClrType == typeof(string) && IsDecrypted(operation.OldColumn) => null,
            (true, false) => EnvelopeMessages.DecryptInPlace(column),
            (true, true) => FindFaultOfChanging(column, operation.OldColumn, operation),
            _ => null,
        };
    }

    // Text stays text, whose plaintext rows can be told from envelopes: the one column that may become encrypted where it is.
    private static string? FindFaultOfEncrypting(string column, AlterColumnOperation operation)
        => !IsText(operation) || operation.OldColumn.ClrType != typeof(string) ? EnvelopeMessages.EncryptInPlace(column)
            : operation.FindAnnotation(EnvelopeAnnotations.Backfilling) is null ? EnvelopeMessages.TextWithoutBackfill(column)
            : null;

    private static string? FindFaultOfChanging(string column, ColumnOperation was, ColumnOperation becomes)
    {
        var (old, context) = (Find(was, EnvelopeAnnotations.Context), Find(becomes, EnvelopeAnnotations.Context));

        // The context of a blind index says all that its hashes depend on; its definition says more, such as whether rows may lack it.
        if (IsBlindIndex(was) || IsBlindIndex(becomes))
        {
            return IsBlindIndex(was) == IsBlindIndex(becomes) && old == context ? null
                : IsComputedAlike(was, becomes) ? EnvelopeMessages.IndexRenamed(column)
                : EnvelopeMessages.IndexChanged(column);
        }

        if (IsText(was) != IsText(becomes))
            return EnvelopeMessages.StorageChanged(column);
        if (old is not null && context is not null && old != context)
            return EnvelopeMessages.ContextChanged(column, old, context);
        var (oldType, type) = (Find(was, EnvelopeAnnotations.PlaintextType), Find(becomes, EnvelopeAnnotations.PlaintextType));
        if (oldType is not null && type is not null && oldType != type)
            return EnvelopeMessages.TypeChanged(column, oldType, type);

        // The algorithm is in each envelope, so either kind is read; but only deterministic ones are found.
        return (Find(was, EnvelopeAnnotations.Encrypted), Find(becomes, EnvelopeAnnotations.Encrypted))
            is (nameof(EncryptionMode.Randomized), nameof(EncryptionMode.Deterministic))
            ? EnvelopeMessages.BecomesDeterministic(column)
            : null;
    }

    // Then it is the stable name of a property that changed, and can be kept.
    private static bool IsComputedAlike(ColumnOperation was, ColumnOperation becomes)
        => Find(was, EnvelopeAnnotations.BlindIndex) is { } oldText && Find(becomes, EnvelopeAnnotations.BlindIndex) is { } text
            && (BlindIndexDefinition.Parse(oldText), BlindIndexDefinition.Parse(text)) is var (old, index)
            && old.Normalizations.SequenceEqual(index.Normalizations)
            && (old.Projection, old.Characters, old.Length) == (index.Projection, index.Characters, index.Length);

    private static bool IsEncrypted(ColumnOperation column)
        => IsCarrier(column.ClrType) || column.FindAnnotation(EnvelopeAnnotations.Encrypted) is not null || IsBlindIndex(column);

    private static bool IsBlindIndex(ColumnOperation column) => column.FindAnnotation(EnvelopeAnnotations.BlindIndex) is not null;

    // The job that decrypted its rows is the DBA's; the model says that no application writes envelopes any more.
    private static bool IsDecrypted(ColumnOperation column) => IsText(column) && column.FindAnnotation(EnvelopeAnnotations.Decrypting) is not null;

    private static bool IsText(ColumnOperation column)
        => column.ClrType == typeof(TextEnvelope) || Find(column, EnvelopeAnnotations.Storage) == nameof(EncryptedStorage.Text);

    private static bool IsCarrier(Type type) => typeof(Envelope).IsAssignableFrom(type);

    private static string? Find(ColumnOperation column, string annotation) => (string?)column.FindAnnotation(annotation)?.Value;
}
