using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations.Operations;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Migrations;

/// <summary>
/// Adds the CHECK constraint of an encrypted column that has rows without a long lock. PostgreSQL and SQL Server first enforce it for new rows, then look
/// at the old ones, each step in a transaction of its own, before anything else of the migration. If a row is not an envelope, the migration stops there;
/// when the row was encrypted, the same migration runs again from its start. (SQLite rebuilds the table, in one transaction.)
/// </summary>
internal sealed class EnvelopeCheckOperations(ISqlGenerationHelper sql, string provider)
{
    private bool IsPostgres => provider == "Npgsql.EntityFrameworkCore.PostgreSQL";

    private bool IsSqlServer => provider == "Microsoft.EntityFrameworkCore.SqlServer";

    public IReadOnlyList<MigrationOperation> Rewrite(IReadOnlyList<MigrationOperation> operations, IModel? model)
    {
        if (!IsPostgres && !IsSqlServer)
            return operations;
        if (IsSqlServer)
        {
            foreach (var alter in operations.OfType<AlterColumnOperation>())
                KeepCollation(alter);
        }

        var early = operations.OfType<AddCheckConstraintOperation>().Where(c => MayComeFirst(c, operations)).ToList();
        var rest = operations.Except(early);
        return [.. early.SelectMany(Validate), .. IsSqlServer ? rest.SelectMany(o => KeepChecks(o, operations, model)) : rest];
    }

    // What the migration itself does to the column or its rows before has to stay before.
    private bool MayComeFirst(AddCheckConstraintOperation check, IReadOnlyList<MigrationOperation> operations)
        => EnvelopeCheck.FindColumn(provider, check.Sql) is { } column
            && !operations.TakeWhile(o => o != check).Any(
                o => o switch
                {
                    SqlOperation => true,
                    CreateTableOperation create => create.Name == check.Table,
                    RenameTableOperation rename => (rename.NewName ?? rename.Name) == check.Table,
                    RenameColumnOperation rename => rename.Table == check.Table,
                    DropCheckConstraintOperation drop => drop.Table == check.Table && drop.Name == check.Name,
                    ColumnOperation changed => changed.Table == check.Table && sql.DelimitIdentifier(changed.Name) == column && ChangesType(changed),
                    _ => false,
                });

    private IEnumerable<MigrationOperation> Validate(AddCheckConstraintOperation check)
    {
        var (table, name) = (sql.DelimitIdentifier(check.Table, check.Schema), sql.DelimitIdentifier(check.Name));
        yield return Run(
            $"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name};{Environment.NewLine}"
            + (IsPostgres
                ? $"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({check.Sql}) NOT VALID;"
                : $"ALTER TABLE {table} WITH NOCHECK ADD CONSTRAINT {name} CHECK ({check.Sql});"));
        yield return Run(IsPostgres ? $"ALTER TABLE {table} VALIDATE CONSTRAINT {name};" : $"ALTER TABLE {table} WITH CHECK CHECK CONSTRAINT {name};");
    }

    // The model gives an encrypted column no collation. Its plaintexts were written under the one that it has: another code page would lose
    // some of their characters.
    private static void KeepCollation(AlterColumnOperation alter)
    {
        if (alter.Collation is null && alter[EnvelopeAnnotations.Storage] is nameof(EncryptedStorage.Text))
            alter.Collation = alter.OldColumn.Collation;
    }

    // SQL Server changes no column on which a constraint depends, but for its length.
    private IEnumerable<MigrationOperation> KeepChecks(MigrationOperation operation, IReadOnlyList<MigrationOperation> operations, IModel? model)
    {
        if (operation is not AlterColumnOperation alter || !ChangesType(alter)
            || model?.GetRelationalModel().FindTable(alter.Table, alter.Schema ?? model.GetDefaultSchema()) is not { } table)
            return [operation];
        var (name, quoted) = (sql.DelimitIdentifier(alter.Table, alter.Schema), sql.DelimitIdentifier(alter.Name));
        var added = operations.OfType<AddCheckConstraintOperation>().Where(a => a.Table == alter.Table).Select(a => a.Name).ToHashSet(StringComparer.Ordinal);
        var kept = table.CheckConstraints
            .Where(c => EnvelopeCheck.FindColumn(provider, c.Sql) == quoted && !added.Contains(c.Name!))
            .Select(c => (Name: sql.DelimitIdentifier(c.Name!), c.Sql)).ToList();
        return
        [
            .. kept.Select(c => new SqlOperation { Sql = $"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {c.Name};" }),
            operation,
            .. kept.Select(c => new SqlOperation { Sql = $"ALTER TABLE {name} WITH CHECK ADD CONSTRAINT {c.Name} CHECK ({c.Sql});" }),
        ];
    }

    // Annotations of this library alone change nothing in the database.
    private static bool ChangesType(ColumnOperation operation)
        => operation is not AlterColumnOperation alter
            || (alter.ColumnType, alter.IsNullable, alter.Collation) != (alter.OldColumn.ColumnType, alter.OldColumn.IsNullable, alter.OldColumn.Collation);

    private static SqlOperation Run(string statement) => new() { Sql = statement, SuppressTransaction = true };
}
