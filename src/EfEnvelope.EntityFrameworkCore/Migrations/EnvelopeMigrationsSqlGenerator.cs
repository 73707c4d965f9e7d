using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace EfEnvelope.EntityFrameworkCore.Migrations;

/// <summary>
/// Refuses the migrations that would keep plaintext in an encrypted column (SQLite copies it without a word), make encrypted values unreadable, or
/// put a plaintext default or plaintext data into rows.
/// </summary>
internal sealed class EnvelopeMigrationsSqlGenerator(IMigrationsSqlGenerator inner, EnvelopeCheckOperations checks) : IMigrationsSqlGenerator
{
    public IReadOnlyList<MigrationCommand> Generate(
        IReadOnlyList<MigrationOperation> operations,
        IModel? model = null,
        MigrationsSqlGenerationOptions options = MigrationsSqlGenerationOptions.Default)
    {
        foreach (var operation in operations)
        {
            foreach (var column in ColumnsOf(operation).Where(IsEncrypted))
                CheckDefault(column);
            if (operation is AlterColumnOperation change)
                Check(change);
            if (operation is InsertDataOperation insert)
                CheckData(model, insert.Schema, insert.Table, insert.Columns, insert.Values);
            if (operation is UpdateDataOperation update)
                CheckData(model, update.Schema, update.Table, update.Columns, update.Values);
        }

        return inner.Generate(checks.Rewrite(operations, model), model, options);
    }

    private static IEnumerable<ColumnOperation> ColumnsOf(MigrationOperation operation)
        => operation switch
        {
            CreateTableOperation table => table.Columns,
            ColumnOperation column => [column],
            _ => [],
        };

    // The model allows no default; one that stands here was written into the migration by hand.
    private static void CheckDefault(ColumnOperation column)
    {
        if (column.DefaultValue is not null || column.DefaultValueSql is not null)
            throw new EnvelopeConfigurationException(EnvelopeMessages.DefaultInMigration($"{column.Table}.{column.Name}"));
    }

    // Databases differ in whether the case of a name matters; a value too many refused is better than one in clear text.
    private static void CheckData(IModel? model, string? schema, string table, string[] columns, object?[,] values)
    {
        var encrypted = model?.GetRelationalModel().Tables
            .Where(t => IsSame(t.Name, table) && IsSame(t.Schema, schema ?? model.GetDefaultSchema()))
            .SelectMany(t => t.Columns)
            .Where(c => c.PropertyMappings.Any(m => IsEncrypted(m.Property)))
            .ToList() ?? [];
        for (var i = 0; i < columns.Length; i++)
        {
            if (encrypted.Any(c => IsSame(c.Name, columns[i])) && Enumerable.Range(0, values.GetLength(0)).Any(row => values[row, i] is not null))
                throw new EnvelopeConfigurationException(EnvelopeMessages.DataInMigration($"{table}.{columns[i]}"));
        }
    }

    private static bool IsSame(string? name, string? other) => string.Equals(name, other, StringComparison.OrdinalIgnoreCase);

    private static bool IsEncrypted(IProperty property)
        => IsCarrier(property.ClrType)
            || property.FindAnnotation(EnvelopeAnnotations.Encrypted) is not null
            || property.FindAnnotation(EnvelopeAnnotations.BlindIndex) is not null;

    private static void Check(AlterColumnOperation operation)
    {
        var column = $"{operation.Table}.{operation.Name}";
        var fault = (IsEncrypted(operation.OldColumn), IsEncrypted(operation)) switch
        {
            (false, true) => FindFaultOfEncrypting(column, operation),
            (true, false) when operation.ClrType == typeof(string) && IsDecrypted(operation.OldColumn) => null,
            (true, false) => EnvelopeMessages.DecryptInPlace(column),
            (true, true) => FindFaultOfChanging(column, operation.OldColumn, operation),
            _ => null,
        };
        if (fault is not null)
            throw new EnvelopeConfigurationException(fault);
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
