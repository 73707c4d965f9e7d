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
internal sealed class EnvelopeMigrationsSqlGenerator(IMigrationsSqlGenerator inner) : IMigrationsSqlGenerator
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

        return inner.Generate(operations, model, options);
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
        => property.ClrType == typeof(Envelope) || property.FindAnnotation(EnvelopeAnnotations.Encrypted) is not null;

    private static void Check(AlterColumnOperation operation)
    {
        var column = $"{operation.Table}.{operation.Name}";
        var (was, becomes) = (IsEncrypted(operation.OldColumn), IsEncrypted(operation));
        if (!was && becomes)
            throw new EnvelopeConfigurationException(EnvelopeMessages.EncryptInPlace(column));
        if (was && !becomes)
            throw new EnvelopeConfigurationException(EnvelopeMessages.DecryptInPlace(column));
        if (was && becomes && ContextOf(operation.OldColumn) is { } old && ContextOf(operation) is { } context && old != context)
            throw new EnvelopeConfigurationException(EnvelopeMessages.ContextChanged(column, old, context));
        if (was && becomes && TypeOf(operation.OldColumn) is { } oldType && TypeOf(operation) is { } type && oldType != type)
            throw new EnvelopeConfigurationException(EnvelopeMessages.TypeChanged(column, oldType, type));
    }

    private static bool IsEncrypted(ColumnOperation column)
        => column.ClrType == typeof(Envelope) || column.FindAnnotation(EnvelopeAnnotations.Encrypted) is not null;

    private static string? TypeOf(ColumnOperation column) => (string?)column.FindAnnotation(EnvelopeAnnotations.PlaintextType)?.Value;

    private static string? ContextOf(ColumnOperation column) => (string?)column.FindAnnotation(EnvelopeAnnotations.Context)?.Value;
}
