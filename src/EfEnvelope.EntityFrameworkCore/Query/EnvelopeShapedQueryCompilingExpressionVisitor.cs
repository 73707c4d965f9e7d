using System.Linq.Expressions;
using System.Reflection;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Passes the final SQL tree of every query through the guard, whatever LINQ it came from, and lets queries that read encrypted columns
/// announce it, so that their keys are awaited before the command runs.
/// </summary>
internal sealed class EnvelopeShapedQueryCompilingExpressionVisitor : RelationalShapedQueryCompilingExpressionVisitor
{
    private static readonly MethodInfo AnnounceMethod
        = typeof(EnvelopeSession).GetMethod(nameof(EnvelopeSession.AnnounceRead), BindingFlags.Public | BindingFlags.Static)!;

    private readonly EnvelopeQueryGuard _guard;

    public EnvelopeShapedQueryCompilingExpressionVisitor(
        ShapedQueryCompilingExpressionVisitorDependencies dependencies,
        RelationalShapedQueryCompilingExpressionVisitorDependencies relationalDependencies,
        QueryCompilationContext queryCompilationContext,
        ISqlExpressionFactory sql,
        IRelationalTypeMappingSource typeMappings)
        : base(dependencies, relationalDependencies, queryCompilationContext)
        => _guard = new EnvelopeQueryGuard(queryCompilationContext, sql, typeMappings);

    protected override Expression VisitShapedQuery(ShapedQueryExpression shapedQueryExpression)
    {
        var guarded = shapedQueryExpression.Update(
            _guard.Guard((SelectExpression)shapedQueryExpression.QueryExpression),
            new SplitQueryGuard(_guard).Visit(shapedQueryExpression.ShaperExpression));
        RefusePrecompiling();
        var query = new AlarmVisitor().Visit(base.VisitShapedQuery(guarded));
        return _guard.FoundEnvelopes
            ? Expression.Call(AnnounceMethod.MakeGenericMethod(query.Type), QueryCompilationContext.QueryContextParameter, query)
            : query;
    }

    protected override Expression VisitExtension(Expression extensionExpression)
    {
        switch (extensionExpression)
        {
            case UpdateExpression update:
                var guardedUpdate = _guard.Guard(update);
                RefusePrecompiling();
                return base.VisitExtension(guardedUpdate);
            case DeleteExpression delete:
                var guardedDelete = delete.Update(delete.Table, _guard.Guard(delete.SelectExpression));
                RefusePrecompiling();
                return base.VisitExtension(guardedDelete);
            default:
                return base.VisitExtension(extensionExpression);
        }
    }

    // A precompiled query loses the converter of its parameters and would send plaintext.
    private void RefusePrecompiling()
    {
        if (QueryCompilationContext.IsPrecompiling && _guard.FoundEnvelopes)
            throw new EnvelopeConfigurationException(EnvelopeMessages.Precompiled());
    }

    // With 'EnableDetailedErrors()' EF Core wraps whatever a column throws in an exception that names the column. An alarm names it already,
    // and must arrive as itself.
    private sealed class AlarmVisitor : ExpressionVisitor
    {
        protected override Expression VisitTry(TryExpression node)
        {
            var visited = base.VisitTry(node);
            return visited is TryExpression { Handlers: [{ Body: MethodCallExpression { Method.Name: "ThrowReadValueException" } }] } read
                ? Expression.TryCatch(read.Body, [Expression.Catch(typeof(EnvelopeException), Expression.Rethrow(read.Type)), .. read.Handlers])
                : visited;
        }

        protected override Expression VisitExtension(Expression node) => node;
    }

    // Split queries keep the SELECTs of their collections inside the shaper.
    private sealed class SplitQueryGuard(EnvelopeQueryGuard guard) : ExpressionVisitor
    {
        protected override Expression VisitExtension(Expression node)
            => node is RelationalSplitCollectionShaperExpression split
                ? split.Update(
                    Visit(split.ParentIdentifier), Visit(split.ChildIdentifier), guard.Guard(split.SelectExpression), Visit(split.InnerShaper))
                : base.VisitExtension(node);
    }
}
