using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Query;

internal sealed class EnvelopeShapedQueryCompilingExpressionVisitorFactory(
    ShapedQueryCompilingExpressionVisitorDependencies dependencies,
    RelationalShapedQueryCompilingExpressionVisitorDependencies relationalDependencies,
    ISqlExpressionFactory sql,
    IRelationalTypeMappingSource typeMappings)
    : IShapedQueryCompilingExpressionVisitorFactory
{
    public ShapedQueryCompilingExpressionVisitor Create(QueryCompilationContext queryCompilationContext)
        => new EnvelopeShapedQueryCompilingExpressionVisitor(dependencies, relationalDependencies, queryCompilationContext, sql, typeMappings);
}
