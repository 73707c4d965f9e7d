using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Migrations;

/// <summary>Brings what columns are encrypted, and under which stable name, into migration operations.</summary>
internal sealed class EnvelopeAnnotationProvider(IRelationalAnnotationProvider inner) : IRelationalAnnotationProvider
{
    public IEnumerable<IAnnotation> For(IColumn column, bool designTime)
    {
        var annotations = inner.For(column, designTime);
        var marked = column.PropertyMappings.Select(m => m.Property).FirstOrDefault(p => p.FindAnnotation(EnvelopeAnnotations.Encrypted) is not null);
        return !designTime || marked is null
            ? annotations
            :
            [
                .. annotations,
                new Annotation(EnvelopeAnnotations.Encrypted, marked[EnvelopeAnnotations.Encrypted]),
                new Annotation(EnvelopeAnnotations.Context, marked[EnvelopeAnnotations.Context]),
                new Annotation(EnvelopeAnnotations.PlaintextType, marked[EnvelopeAnnotations.PlaintextType]),
            ];
    }

    public IEnumerable<IAnnotation> For(IRelationalModel model, bool designTime) => inner.For(model, designTime);

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
