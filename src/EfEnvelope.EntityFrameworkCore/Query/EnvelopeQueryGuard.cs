using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Default deny over the final SQL tree: an encrypted expression may be projected, tested for null, or be a branch of CASE or COALESCE of
/// its own column. Everything else is refused with the property's name, because the database would compare random bytes and answer wrong.
/// </summary>
/// <remarks>
/// It looks at SQL, not at LINQ: there are many ways to write a comparison in LINQ, and all end here. A node that it does not know
/// is refused as soon as something encrypted stands below it.
/// </remarks>
internal sealed class EnvelopeQueryGuard(QueryCompilationContext queryCompilationContext) : ExpressionVisitor
{
    // Whether the very next node may be encrypted; taken down by every node for its children.
    private bool _mayBeEncrypted;
    private string _use = "filter by it";
    private int _parameters;

    /// <summary>Gets whether the query reads or writes encrypted columns.</summary>
    public bool FoundEnvelopes { get; private set; }

    public SelectExpression Guard(SelectExpression select) => (SelectExpression)Visit(select);

    public UpdateExpression Guard(UpdateExpression update)
        => update.Update(Guard(update.SelectExpression), [.. update.ColumnValueSetters.Select(GuardSetter)]);

    protected override Expression VisitExtension(Expression node)
    {
        var mayBeEncrypted = _mayBeEncrypted;
        var use = _use;
        _mayBeEncrypted = false;
        try
        {
            return node switch
            {
                SelectExpression select => VisitSelect(select),
                SetOperationBase operation => VisitSetOperation(operation),
                ProjectionExpression projection => projection.Update(VisitAllowed(projection.Expression)),
                SqlUnaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual } test when IsEncrypted(test.Operand)
                    => test.Update(VisitAllowed(test.Operand)),
                SqlBinaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual, Right: SqlConstantExpression { Value: null } } test
                    when IsEncrypted(test.Left) => test.Update(VisitAllowed(test.Left), test.Right),
                SqlBinaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual, Left: SqlConstantExpression { Value: null } } test
                    when IsEncrypted(test.Right) => test.Update(test.Left, VisitAllowed(test.Right)),
                SqlExpression encrypted when IsEncrypted(encrypted)
                    => mayBeEncrypted ? VisitEncrypted(encrypted) : throw Refuse(encrypted, use),
                InExpression { Subquery: { } subquery } when subquery.Projection.FirstOrDefault(p => IsEncrypted(p.Expression)) is { } projected
                    => throw Refuse(projected.Expression, "look it up in a subquery"),
                _ => VisitOther(node),
            };
        }
        finally
        {
            _use = use;
        }
    }

    private SqlExpression VisitAllowed(SqlExpression expression)
    {
        _mayBeEncrypted = true;
        try
        {
            return (SqlExpression)Visit(expression);
        }
        finally
        {
            _mayBeEncrypted = false;
        }
    }

    private SelectExpression VisitSelect(SelectExpression select)
    {
        if (select.GroupBy.FirstOrDefault(IsEncrypted) is { } grouped)
            throw Refuse(grouped, "group by it");
        if (select.IsDistinct && FindUnkeyed(select) is { } repeated)
            throw new EnvelopeConfigurationException(EnvelopeMessages.Distinct(NameOf(repeated)));
        _use = "filter by it";
        return (SelectExpression)base.VisitExtension(select);
    }

    private Expression VisitSetOperation(SetOperationBase operation)
    {
        foreach (var (first, second) in operation.Source1.Projection.Zip(operation.Source2.Projection))
            RequireSameColumn(first.Expression, second.Expression);
        var comparesRows = operation.IsDistinct || operation is not UnionExpression;
        if (comparesRows && FindUnkeyed(operation) is { } compared)
            throw new EnvelopeConfigurationException(EnvelopeMessages.SetOperation(NameOf(compared)));
        return base.VisitExtension(operation);
    }

    private Expression VisitEncrypted(SqlExpression expression)
    {
        switch (expression)
        {
            case ColumnExpression:
                FoundEnvelopes = true;
                return expression;
            case SqlParameterExpression:
                FoundEnvelopes = true;
                return expression;
            case var _ when IsNull(expression):
                return expression;
            case SqlConstantExpression constant:
                return ToParameter(constant);
            case ScalarSubqueryExpression subquery:
                return base.VisitExtension(subquery);
            case CaseExpression @case:
                return @case.Update(
                    (SqlExpression?)Visit(@case.Operand),
                    [.. @case.WhenClauses.Select(w => new CaseWhenClause((SqlExpression)Visit(w.Test), VisitBranch(@case, w.Result)))],
                    @case.ElseResult is null ? null : VisitBranch(@case, @case.ElseResult));
            case SqlFunctionExpression { Name: "COALESCE", Instance: null, Arguments: { } arguments } coalesce:
                return coalesce.Update(null, [.. arguments.Select(a => VisitBranch(coalesce, a))]);
            default:
                throw Refuse(FindEncryptedLeaf(expression) ?? expression, "compute with it");
        }
    }

    private SqlExpression VisitBranch(SqlExpression whole, SqlExpression branch)
    {
        if (IsNull(branch))
            return branch;
        if (!IsEncrypted(branch))
            throw Refuse(whole, "mix it with plain values");
        RequireSameContext(whole, branch);
        return VisitAllowed(branch);
    }

    private Expression VisitOther(Expression node)
    {
        _use = node switch
        {
            SqlBinaryExpression
            {
                OperatorType: ExpressionType.Equal or ExpressionType.NotEqual or ExpressionType.LessThan or ExpressionType.LessThanOrEqual
                    or ExpressionType.GreaterThan or ExpressionType.GreaterThanOrEqual,
            } => "compare it",
            SqlBinaryExpression or SqlUnaryExpression => "compute with it",
            OrderingExpression => "order by it",
            LikeExpression => "search in it",
            InExpression => "look it up in a list",
            SqlFunctionExpression => "compute with it",
            RowNumberExpression => "order or group by it",
            PredicateJoinExpressionBase => "join on it",
            _ => _use,
        };
        return base.VisitExtension(node);
    }

    private ColumnValueSetter GuardSetter(ColumnValueSetter setter)
    {
        var (column, value) = (setter.Column, setter.Value);
        if (!IsEncrypted(column))
        {
            return FindEncryptedLeaf(value) is { } source
                ? throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateFromEncrypted(NameOf(source), column.Name))
                : new ColumnValueSetter(column, (SqlExpression)Visit(value));
        }

        FoundEnvelopes = true;
        return value switch
        {
            SqlConstantExpression { Value: null } => setter,
            SqlConstantExpression constant when IsEncrypted(constant) => new ColumnValueSetter(column, ToParameter(constant)),
            SqlParameterExpression parameter when IsEncrypted(parameter) => setter,
            _ => throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateExpression(NameOf(column))),
        };
    }

    // No literal of an encrypted value can exist: it would be cached with the query and outlive its key.
    private SqlParameterExpression ToParameter(SqlConstantExpression constant)
    {
        FoundEnvelopes = true;
        var name = $"envelope_{_parameters++}";
        queryCompilationContext.RegisterRuntimeParameter(
            name,
            Expression.Lambda(Expression.Constant(constant.Value, typeof(object)), QueryCompilationContext.QueryContextParameter));
        return new SqlParameterExpression(name, constant.Type, constant.TypeMapping);
    }

    // DISTINCT and set operations compare whole rows: harmless for encrypted columns whose row is told apart by its key anyway.
    private static SqlExpression? FindUnkeyed(SelectExpression select)
        => select.Projection.Select(p => p.Expression)
            .FirstOrDefault(e => IsEncrypted(e) && !RowOrigin.Find(select, e, [.. select.Projection.Select(p => p.Expression)]).IsKnown);

    private static SqlExpression? FindUnkeyed(SetOperationBase operation)
        => operation.Source1.Projection.Zip(operation.Source2.Projection, (first, second) => (First: first, Second: second))
            .Where(p => IsEncrypted(p.First.Expression) || IsEncrypted(p.Second.Expression))
            .Where(p => !RowOrigin.Find(operation, p.First.Alias, [.. operation.Source1.Projection.Select(q => q.Alias)]).IsKnown)
            .Select(p => IsEncrypted(p.First.Expression) ? p.First.Expression : p.Second.Expression)
            .FirstOrDefault();

    // One result column is read in one way: as envelopes or as plain values, never as both. The first side says which, even if it is a null.
    private void RequireSameColumn(SqlExpression first, SqlExpression second)
    {
        if (IsNull(second))
            return;
        if (IsEncrypted(first) != IsEncrypted(second))
            throw Refuse(IsEncrypted(first) ? first : second, "mix it with plain values");
        RequireSameContext(first, second);
    }

    private void RequireSameContext(SqlExpression first, SqlExpression second)
    {
        if (FieldOf(first) is { } a && FieldOf(second) is { } b && a != b)
            throw new EnvelopeConfigurationException(EnvelopeMessages.MixedContexts(NameOf(first), NameOf(second)));
    }

    private EnvelopeConfigurationException Refuse(SqlExpression encrypted, string use)
        => new(EnvelopeMessages.Refused(NameOf(encrypted), use));

    // PostgreSQL wants to know the type of a null that stands for a column which a concrete type (TPC) does not have.
    internal static bool IsNull(SqlExpression expression)
        => expression is SqlConstantExpression { Value: null }
            or SqlUnaryExpression { OperatorType: ExpressionType.Convert, Operand: SqlConstantExpression { Value: null } };

    private static bool IsEncrypted(SqlExpression expression) => expression.TypeMapping is EnvelopeTypeMapping;

    private static string? FieldOf(SqlExpression expression)
        => EnvelopeConverters.TryFindField(expression.TypeMapping?.Converter, out var field) ? field : null;

    private string NameOf(SqlExpression expression)
    {
        var leaf = FindEncryptedLeaf(expression) ?? expression;
        return FindProperty(leaf) is { } property ? EnvelopeRules.NameOf(property) : FieldOf(leaf) ?? "An encrypted property";
    }

    // A column does not know what it is mapped to once it was made nullable or came out of a subquery; its converter still does.
    private IProperty? FindProperty(SqlExpression expression)
        => expression is ColumnExpression { Column: { } column } && column.PropertyMappings.FirstOrDefault() is { } mapping
            ? mapping.Property
            : FieldOf(expression) is { } field ? MarkedMembers.FindByField(queryCompilationContext.Model, field) : null;

    private static ColumnExpression? FindEncryptedLeaf(SqlExpression expression)
    {
        var finder = new LeafFinder();
        finder.Visit(expression);
        return finder.Found;
    }

    private sealed class LeafFinder : ExpressionVisitor
    {
        public ColumnExpression? Found { get; private set; }

        public override Expression? Visit(Expression? node) => Found is null ? base.Visit(node) : node;

        protected override Expression VisitExtension(Expression node)
        {
            if (node is ColumnExpression column && IsEncrypted(column))
                Found = column;
            return Found is null ? base.VisitExtension(node) : node;
        }
    }
}
