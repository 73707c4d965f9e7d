using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace EfEnvelope.EntityFrameworkCore.Migrations;

/// <summary>
/// Keeps our tables out of what migrations create, change and drop. What changes in the encryption map is in the annotations of an operation on the database.
/// A migration that would be refused when it runs is not even generated.
/// </summary>
/// <param name="inner">The differ of EF Core.</param>
/// <param name="current">The model of the context, to which a new migration leads.</param>
internal sealed class EnvelopeMigrationsModelDiffer(IMigrationsModelDiffer inner, Lazy<IDesignTimeModel> current) : IMigrationsModelDiffer
{
    public bool HasDifferences(IRelationalModel? source, IRelationalModel? target) => Diff(source, target).Count > 0;

    public IReadOnlyList<MigrationOperation> GetDifferences(IRelationalModel? source, IRelationalModel? target)
    {
        var operations = Diff(source, target);

        // The way down is not looked at before somebody goes it.
        if (source is not null && target is not null && target == current.Value.Model.GetRelationalModel()
            && MigrationRules.FindFaults(operations, target.Model) is { Count: > 0 } faults)
            throw new EnvelopeConfigurationException(string.Join(Environment.NewLine, faults));
        return operations;
    }

    private List<MigrationOperation> Diff(IRelationalModel? source, IRelationalModel? target)
    {
        List<MigrationOperation> operations = [.. inner.GetDifferences(source, target).Where(o => !EnvelopeTables.IsOurs(o))];
        var (old, now) = (source is null ? null : StoreDescription.FindOrRead(source.Model), target is null ? null : StoreDescription.FindOrRead(target.Model));
        var database = operations.OfType<AlterDatabaseOperation>().FirstOrDefault();
        if (database is null)
        {
            // EF Core has none where a model comes to its end, and sees nothing of what an earlier version kept in tables.
            if (old == now)
                return operations;
            database = new AlterDatabaseOperation();
            operations.Insert(operations.FindIndex(IsAfterDatabase) is var at and >= 0 ? at : operations.Count, database);
        }

        Set(database.OldDatabase, old);
        Set(database, now);
        return operations;
    }

    private static void Set(AnnotatableBase operation, StoreDescription? description)
    {
        foreach (var annotation in description?.ToAnnotations() ?? [])
            operation[annotation.Name] = annotation.Value;
    }

    // As EF Core itself orders operations.
    private static bool IsAfterDatabase(MigrationOperation operation)
        => operation is not (DropForeignKeyOperation or DropTableOperation or DropIndexOperation or DropPrimaryKeyOperation or DropUniqueConstraintOperation
            or DropCheckConstraintOperation or DeleteDataOperation or DropColumnOperation or DropSequenceOperation or EnsureSchemaOperation
            or RenameTableOperation or RenameColumnOperation or RenameIndexOperation or RenameSequenceOperation);
}
