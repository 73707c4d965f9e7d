using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Metadata.Conventions;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Writes down what names columns: check constraints, filters, and the encryption map. Runs after the finalizing conventions of the application, which may
/// rename tables and columns.
/// </summary>
internal sealed class EnvelopeClosingConvention(ConventionSet conventions, ISqlGenerationHelper sql, IDatabaseProvider provider)
    : IModelInitializedConvention, IModelFinalizingConvention
{
    // An application adds its conventions after those of plug-ins; by now all are there.
    public void ProcessModelInitialized(IConventionModelBuilder modelBuilder, IConventionContext<IConventionModelBuilder> context)
    {
        conventions.ModelFinalizingConventions.Remove(this);
        conventions.ModelFinalizingConventions.Add(this);
    }

    public void ProcessModelFinalizing(IConventionModelBuilder modelBuilder, IConventionContext<IConventionModelBuilder> context)
    {
        var model = (IMutableModel)modelBuilder.Metadata;
        var properties = MarkedMembers.FindTypes(model).SelectMany(t => t.GetDeclaredProperties()).ToList();

        // EF Core's own models, such as that of the migrations history, pass here too: they get nothing.
        if (!properties.Any(p => p[EnvelopeAnnotations.PlaintextType] is string))
            return;
        foreach (var property in properties)
        {
            var main = property[EnvelopeAnnotations.Next] is string name ? property.DeclaringType.FindProperty(name)! : property;
            if (main[EnvelopeAnnotations.PlaintextType] is string && !EnvelopeAnnotations.AllowsPlaintext(main) && !EnvelopeAnnotations.IsUnchecked(main))
                EnvelopeCheck.Add(property, main[EnvelopeAnnotations.Storage] is nameof(EncryptedStorage.Text), provider.Name, sql);
            if (EnvelopeAnnotations.FindBlindIndex(property) is { } definition)
                AddChecks(property, definition);
        }

        MakeNamesUnique(modelBuilder, context);
        NextColumns.SetFilters(model, sql, provider.Name);
        foreach (var annotation in StoreDescription.Of(model.GetDefaultSchema(), MapRow.Of(model), provider.Name).ToAnnotations())
            model.SetAnnotation(annotation.Name, annotation.Value);
    }

    // The database itself refuses a row that has a value and not its hash: no query could find it.
    private void AddChecks(IMutableProperty property, BlindIndexDefinition definition)
    {
        var sources = definition.Properties.Select(p => property.DeclaringType.FindProperty(p)!).ToList();
        if (definition.AllowsMissing || sources.Any(EnvelopeAnnotations.AllowsPlaintext))
            return;
        foreach (var (owner, table, index) in EnvelopeCheck.FindTables(property))
        {
            // What a table holds that is not the type's own (entity splitting) cannot be named in a check of it.
            if (sources.Any(s => s.GetColumnName(table) is null))
                continue;
            var quoted = sources.Select(s => sql.DelimitIdentifier(s.GetColumnName(table)!)).ToList();
            var delimited = sql.DelimitIdentifier(index);
            owner.AddCheckConstraint(
                $"CK_{table.Name}_{index}",
                $"(({string.Join(" OR ", quoted.Select(n => $"{n} IS NULL"))}) AND {delimited} IS NULL)"
                + $" OR ({string.Join(" AND ", quoted.Select(n => $"{n} IS NOT NULL"))} AND {delimited} IS NOT NULL)");
        }
    }

    // The provider's own convention has run before there were our columns, indexes and constraints, whose long names it may have to tell apart.
    private void MakeNamesUnique(IConventionModelBuilder modelBuilder, IConventionContext<IConventionModelBuilder> context)
        => conventions.ModelFinalizingConventions.OfType<SharedTableConvention>().FirstOrDefault()?.ProcessModelFinalizing(modelBuilder, context);
}
