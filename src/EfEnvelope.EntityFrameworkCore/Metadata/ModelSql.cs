using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Looks at the SQL that a model carries: check constraints, filters, computed columns, defaults and queries. Over an encrypted column it would see
/// envelopes: a rule would constrain nothing, and a computed column would store ciphertext.
/// </summary>
internal sealed class ModelSql
{
    private readonly IModel _model;
    private readonly string? _provider;
    private readonly List<(StoreObjectIdentifier Table, string Column, string Name)> _columns;

    private ModelSql(IModel model, string? provider)
    {
        (_model, _provider) = (model, provider);
        _columns =
        [
            .. from property in model.GetEntityTypes().SelectMany(t => t.GetFlattenedDeclaredProperties()).Where(IsOpaque)
               from column in EncryptedColumn.FindColumns(property)
               select (column.Table, column.Column, EnvelopeRules.NameOf(property)),
        ];
    }

    public static IEnumerable<string> FindFaults(IModel model, string? provider)
    {
        var sql = new ModelSql(model, provider);
        return sql._columns.Count == 0 ? [] : model.GetEntityTypes().Where(t => t[EnvelopeAnnotations.SqlOverCiphertext] is null).SelectMany(sql.FindFaults);
    }

    private static bool IsOpaque(IReadOnlyProperty property)
        => property.FindAnnotation(EnvelopeAnnotations.PlaintextType) is not null || property.FindAnnotation(EnvelopeAnnotations.BlindIndex) is not null
            || property.FindAnnotation(EnvelopeAnnotations.Next) is not null;

    private IEnumerable<string> FindFaults(IEntityType type)
        => FindTexts(type)
            .SelectMany(t => FindColumns(t.Tables, t.Sql).Select(column => EnvelopeMessages.SqlOverCiphertext(t.Place, column)))
            .Concat(FindTsVectors(type))
            .Distinct();

    private IEnumerable<(string Place, IReadOnlyCollection<StoreObjectIdentifier>? Tables, string Sql)> FindTexts(IEntityType type)
    {
        var name = type.DisplayName();
        var tables = type.GetDerivedTypesInclusive().Select(t => StoreObjectIdentifier.Create(t, StoreObjectType.Table)).OfType<StoreObjectIdentifier>()
            .Concat(type.GetMappingFragments(StoreObjectType.Table).Select(f => f.StoreObject)).ToHashSet();
        foreach (var check in type.GetDeclaredCheckConstraints().Where(c => EnvelopeCheck.FindColumn(_provider, c.Sql) is null))
            yield return ($"The check constraint '{check.ModelName}' of '{name}'", tables, check.Sql);
        foreach (var index in type.GetDeclaredIndexes())
        {
            if (index.GetFilter() is { } filter)
                yield return ($"The filter of the index over '{name}.{string.Join(", ", index.Properties.Select(p => p.Name))}'", tables, filter);
        }

        foreach (var property in type.GetFlattenedDeclaredProperties())
        {
            var owner = EnvelopeRules.NameOf(property);
            if (property.GetComputedColumnSql() is { } computed)
                yield return ($"The computed column of '{owner}'", tables, computed);
            if (property.GetDefaultValueSql() is { } value)
                yield return ($"The default of '{owner}'", tables, value);
            if (property.FindAnnotation(RelationalAnnotationNames.ColumnType)?.Value is string storeType)
            {
                foreach (var expression in new SqlText(storeType, _provider).FindParenthesized("AS"))
                    yield return ($"The column type of '{owner}'", tables, expression);
            }
        }

        if (type.GetSqlQuery() is { } query)
            yield return ($"The SQL query of '{name}'", null, query);
    }

    // A query may read any table of the database; those that it names count.
    private IEnumerable<string> FindColumns(IReadOnlyCollection<StoreObjectIdentifier>? tables, string sql)
    {
        var text = new SqlText(sql, _provider);
        return _columns
            .Where(c => (tables?.Contains(c.Table) ?? text.Names(c.Table.Name)) && text.Uses(c.Column))
            .Select(c => c.Name).Distinct();
    }

    // Of Npgsql, which makes the SQL of these itself.
    private static IEnumerable<string> FindTsVectors(IEntityType type)
    {
        foreach (var vector in type.GetDeclaredProperties().Where(p => p["Npgsql:TsVectorProperties"] is not null))
        {
            foreach (var source in ((IEnumerable<string>)vector["Npgsql:TsVectorProperties"]!).Select(type.FindProperty).Where(p => p is not null && IsOpaque(p)))
                yield return EnvelopeMessages.SqlOverCiphertext($"The generated column of '{EnvelopeRules.NameOf(vector)}'", EnvelopeRules.NameOf(source!));
        }

        foreach (var index in type.GetDeclaredIndexes().Where(i => i["Npgsql:TsVectorConfig"] is not null))
        {
            foreach (var source in index.Properties.Where(IsOpaque))
                yield return EnvelopeMessages.SqlOverCiphertext($"The text search index of '{type.DisplayName()}'", EnvelopeRules.NameOf(source));
        }
    }
}
