using Microsoft.EntityFrameworkCore.Query;

namespace EfEnvelope.EntityFrameworkCore.Query;

internal sealed class EnvelopeShapedQueryCompilingExpressionVisitorFactory(
    ShapedQueryCompilingExpressionVisitorDependencies dependencies,
    RelationalShapedQueryCompilingExpressionVisitorDependencies relationalDependencies)
    : IShapedQueryCompilingExpressionVisitorFactory
{
    public ShapedQueryCompilingExpressionVisitor Create(QueryCompilationContext queryCompilationContext)
        => new EnvelopeShapedQueryCompilingExpressionVisitor(dependencies, relationalDependencies, queryCompilationContext);
}
