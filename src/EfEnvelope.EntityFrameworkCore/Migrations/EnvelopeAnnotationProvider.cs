using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Migrations;

/// <summary>
/// Brings into migration operations what columns are encrypted or hold a blind index, how, and under which stable name; and of the database, our tables and
/// the encryption map.
/// </summary>
internal sealed class EnvelopeAnnotationProvider(IRelationalAnnotationProvider inner) : IRelationalAnnotationProvider
{
    public IEnumerable<IAnnotation> For(IColumn column, bool designTime)
    {
        var annotations = inner.For(column, designTime);
        var properties = column.PropertyMappings.Select(m => m.Property).ToList();

        // Every model that is not compiled passes here, also one that our conventions did not see.
        if (properties.Find(ModelCheck.IsInClear) is { } clear)
            throw new EnvelopeConfigurationException(EnvelopeMessages.ModelFromElsewhere(EnvelopeRules.NameOf(clear)));
        if (!designTime)
            return annotations;

        // A second column is what the first one is, and says so.
        var next = properties.Where(p => p[EnvelopeAnnotations.Next] is string).ToList();
        return next.Count == 0
            ? [.. annotations, .. Describe(properties)]
            : [
                .. annotations,
                new Annotation(EnvelopeAnnotations.Next, next[0][EnvelopeAnnotations.Next]),
                .. Describe([.. next.Select(p => p.DeclaringType.FindProperty((string)p[EnvelopeAnnotations.Next]!)!)]),
            ];
    }

    private static IEnumerable<IAnnotation> Describe(List<IProperty> properties)
    {
        if (properties.FirstOrDefault(p => p.FindAnnotation(EnvelopeAnnotations.BlindIndex) is not null) is { } index)
        {
            yield return new Annotation(EnvelopeAnnotations.BlindIndex, index[EnvelopeAnnotations.BlindIndex]);
            yield return new Annotation(EnvelopeAnnotations.Context, index[EnvelopeAnnotations.Context]);
        }

        if (properties.FirstOrDefault(p => p.FindAnnotation(EnvelopeAnnotations.Encrypted) is not null) is not { } marked)
            yield break;
        yield return new Annotation(EnvelopeAnnotations.Encrypted, marked[EnvelopeAnnotations.Encrypted]);
        yield return new Annotation(EnvelopeAnnotations.Context, marked[EnvelopeAnnotations.Context]);
        yield return new Annotation(EnvelopeAnnotations.PlaintextType, marked[EnvelopeAnnotations.PlaintextType]);

        // Binary storage goes without saying, so that it does not matter whether it was asked for.
        if (marked[EnvelopeAnnotations.Storage] is nameof(EncryptedStorage.Text))
            yield return new Annotation(EnvelopeAnnotations.Storage, marked[EnvelopeAnnotations.Storage]);
        if (EnvelopeAnnotations.AllowsPlaintext(marked))
            yield return new Annotation(EnvelopeAnnotations.Backfilling, true);
        if (EnvelopeAnnotations.StoresPlaintext(marked))
            yield return new Annotation(EnvelopeAnnotations.Decrypting, true);
    }

    public IEnumerable<IAnnotation> For(IRelationalModel model, bool designTime)
        => [.. inner.For(model, designTime), .. designTime ? StoreDescription.Find(model.Model)?.ToAnnotations() ?? [] : []];

    public IEnumerable<IAnnotation> For(ITable table, bool designTime) => inner.For(table, designTime);

    public IEnumerable<IAnnotation> For(IView view, bool designTime) => inner.For(view, designTime);

    public IEnumerable<IAnnotation> For(IViewColumn column, bool designTime) => inner.For(column, designTime);

    public IEnumerable<IAnnotation> For(ISqlQuery sqlQuery, bool designTime) => inner.For(sqlQuery, designTime);

    public IEnumerable<IAnnotation> For(ISqlQueryColumn column, bool designTime) => inner.For(column, designTime);

    public IEnumerable<IAnnotation> For(IStoreFunction function, bool designTime) => inner.For(function, designTime);

    public IEnumerable<IAnnotation> For(IStoreFunctionParameter parameter, bool designTime) => inner.For(parameter, designTime);

    public IEnumerable<IAnnotation> For(IFunctionColumn column, bool designTime) => inner.For(column, designTime);

    public IEnumerable<IAnnotation> For(IStoreStoredProcedure storedProcedure, bool designTime) => inner.For(storedProcedure, designTime);

    public IEnumerable<IAnnotation> For(IStoreStoredProcedureParameter parameter, bool designTime) => inner.For(parameter, designTime);

    public IEnumerable<IAnnotation> For(IStoreStoredProcedureResultColumn column, bool designTime) => inner.For(column, designTime);

    public IEnumerable<IAnnotation> For(IUniqueConstraint constraint, bool designTime) => inner.For(constraint, designTime);

    public IEnumerable<IAnnotation> For(ITableIndex index, bool designTime) => inner.For(index, designTime);

    public IEnumerable<IAnnotation> For(IForeignKeyConstraint foreignKey, bool designTime) => inner.For(foreignKey, designTime);

    public IEnumerable<IAnnotation> For(ISequence sequence, bool designTime) => inner.For(sequence, designTime);

    public IEnumerable<IAnnotation> For(ICheckConstraint checkConstraint, bool designTime) => inner.For(checkConstraint, designTime);

    public IEnumerable<IAnnotation> For(ITrigger trigger, bool designTime) => inner.For(trigger, designTime);
}
