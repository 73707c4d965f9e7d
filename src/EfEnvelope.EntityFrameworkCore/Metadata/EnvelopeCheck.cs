using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// The CHECK constraint of an encrypted column. The database itself then refuses what is not an envelope, whoever writes it: raw SQL, Dapper, or a context
/// without this library.
/// </summary>
internal static class EnvelopeCheck
{
    /// <summary>Makes the name of the constraint, which a database's error message shows.</summary>
    public static string NameOf(string table, string column) => $"CK_{table}_{column}_IsEnvelope";

    /// <summary>Makes the condition, or <see langword="null" /> for a provider that is not supported.</summary>
    /// <param name="provider">The name of the provider.</param>
    /// <param name="column">The quoted column.</param>
    /// <param name="isText">Whether it holds envelopes as text.</param>
    // FORMAT.md keeps the first byte 0xF8 to 0xFF for envelopes of every algorithm, so a later one passes this check.
    public static string? SqlOf(string? provider, string column, bool isText)
        => (provider, isText) switch
        {
            // To SQLite a part of an empty blob is null, and a check that is null is passed.
            ("Microsoft.EntityFrameworkCore.Sqlite", false) => $"{column} IS NULL OR (typeof({column}) = 'blob' AND hex(substr({column}, 1, 1)) >= 'F8')",
            ("Microsoft.EntityFrameworkCore.Sqlite", true)
                => $"{column} IS NULL OR (typeof({column}) = 'text' AND substr({column}, 1, {TextEnvelope.Prefix.Length}) = '{TextEnvelope.Prefix}')",
            ("Npgsql.EntityFrameworkCore.PostgreSQL", false) => $"{column} IS NULL OR substring({column} from 1 for 1) >= '\\xf8'::bytea",
            ("Npgsql.EntityFrameworkCore.PostgreSQL", true)
                => $"{column} IS NULL OR substr({column}, 1, {TextEnvelope.Prefix.Length}) COLLATE \"C\" = '{TextEnvelope.Prefix}'",
            ("Microsoft.EntityFrameworkCore.SqlServer", false) => $"{column} IS NULL OR SUBSTRING({column}, 1, 1) >= 0xF8",
            ("Microsoft.EntityFrameworkCore.SqlServer", true)
                => $"{column} IS NULL OR LEFT({column}, {TextEnvelope.Prefix.Length}) COLLATE Latin1_General_BIN2 = '{TextEnvelope.Prefix}'",
            _ => null,
        };

    /// <summary>Finds the quoted column that a condition checks, if <see cref="SqlOf" /> made it.</summary>
    public static string? FindColumn(string? provider, string condition)
    {
        const string AfterColumn = " IS NULL OR ";
        for (var i = condition.IndexOf(AfterColumn, StringComparison.Ordinal); i > 0; i = condition.IndexOf(AfterColumn, i + 1, StringComparison.Ordinal))
        {
            var column = condition[..i];
            if (condition == SqlOf(provider, column, isText: false) || condition == SqlOf(provider, column, isText: true))
                return column;
        }

        return null;
    }

    /// <summary>Adds the constraint to every table that holds the property, where the table's type can name it.</summary>
    public static void Add(IMutableProperty property, bool isText, string? provider, ISqlGenerationHelper sql)
    {
        foreach (var (owner, table, column) in FindTables(property))
        {
            var name = NameOf(table.Name, column);
            if (SqlOf(provider, sql.DelimitIdentifier(column), isText) is { } condition
                && owner.GetDerivedTypesInclusive().All(t => t.FindCheckConstraint(name) is null))
                owner.AddCheckConstraint(name, condition);
        }
    }

    /// <summary>Finds the types whose own tables hold a property, which a check of theirs can name.</summary>
    // EF Core hands the checks of a type on to the tables of derived ones (TPC), but under a name and for a table that are not theirs, so that no
    // migration can add or drop them: there they stand on the types that have none below them. A view is checked where its rows are. What a table holds
    // that is not the type's own (entity splitting) cannot be named in a check of it.
    public static IEnumerable<(IMutableEntityType Owner, StoreObjectIdentifier Table, string Column)> FindTables(IMutableProperty property)
    {
        var type = property.DeclaringType.ContainingEntityType;
        var isTpc = type.GetMappingStrategy() == RelationalAnnotationNames.TpcMappingStrategy;
        foreach (var owner in isTpc ? type.GetDerivedTypesInclusive().Where(t => !t.GetDirectlyDerivedTypes().Any()) : [type])
        {
            if (StoreObjectIdentifier.Create(owner, StoreObjectType.Table) is { } table && property.GetColumnName(table) is { } column)
                yield return (owner, table, column);
        }
    }
}
