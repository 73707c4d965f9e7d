using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Default deny over the final SQL tree: an encrypted expression may be projected, tested for null, or be a branch of CASE or COALESCE of
/// its own column; and where the database can tell equal values, it may be compared for equality. Everything else is refused with the property's name,
/// because the database would compare random bytes and answer wrong.
/// </summary>
/// <remarks>
/// It looks at SQL, not at LINQ: there are many ways to write a comparison in LINQ, and all end here. A node that it does not know
/// is refused as soon as something encrypted stands below it.
/// </remarks>
internal sealed class EnvelopeQueryGuard : ExpressionVisitor
{
    private readonly QueryCompilationContext _queryCompilationContext;
    private readonly SelectScopes _scopes;
    private readonly SearchParameters _parameters;
    private readonly EnvelopeComparisons _comparisons;
    private readonly ISqlExpressionFactory _sql;

    // Whether the very next node may be encrypted; taken down by every node for its children.
    private bool _mayBeEncrypted;
    private string _use = "filter by it";

    public EnvelopeQueryGuard(
        QueryCompilationContext queryCompilationContext, ISqlExpressionFactory sql, IRelationalTypeMappingSource typeMappings)
    {
        _queryCompilationContext = queryCompilationContext;
        _sql = sql;
        _scopes = new SelectScopes(queryCompilationContext.Model);
        _parameters = new SearchParameters(queryCompilationContext, typeMappings);
        _comparisons = new EnvelopeComparisons(this, _scopes, _parameters, sql);
    }

    /// <summary>Gets whether the query reads or writes encrypted columns.</summary>
    public bool FoundEnvelopes { get; set; }

    public SelectExpression Guard(SelectExpression select) => (SelectExpression)Visit(select);

    public UpdateExpression Guard(UpdateExpression update)
    {
        var setters = new EnvelopeSetters(this, _scopes, _parameters).Guard(update);
        return update.Update(Guard(update.SelectExpression), setters);
    }

    protected override Expression VisitExtension(Expression node)
    {
        var mayBeEncrypted = _mayBeEncrypted;
        var use = _use;
        _mayBeEncrypted = false;
        try
        {
            if (node is SqlExpression expression && _comparisons.TryRewrite(expression) is { } rewritten)
            {
                FoundEnvelopes = true;
                return rewritten;
            }

            return node switch
            {
                SelectExpression select => VisitSelect(select, _scopes.TakeRequests(select.Alias)),
                SetOperationBase operation => VisitSetOperation(operation),

                // The predicate first: it may ask the table to show a blind index.
                PredicateJoinExpressionBase join when VisitJoinPredicate(join.JoinPredicate) is var predicate
                    => join.Update((TableExpressionBase)Visit(join.Table), predicate),
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

    /// <summary>Visits a SELECT whose one result is compared: it returns what can be compared instead.</summary>
    public SelectExpression VisitCompared(SelectExpression select, Func<SqlExpression, SqlExpression> compare)
        => VisitSelect(select, [], compare);

    public EnvelopeConfigurationException Refuse(SqlExpression encrypted, string use)
    {
        var leaf = FindEncryptedLeaf(encrypted) ?? encrypted;
        return new(
            _scopes.Trace(leaf) is { } property || (FindProperty(leaf) is { } found && (property = _scopes.Envelopes.Find(found)) is not null)
                ? EnvelopeMessages.Refused(property, use)
                : EnvelopeMessages.Refused(NameOf(leaf), use));
    }

    private SqlExpression VisitUsing(string use, SqlExpression expression)
    {
        _use = use;
        return (SqlExpression)Visit(expression);
    }

    // EF Core lets null join nothing where the predicate is one equality. With a probe beside it, it is so no longer.
    private SqlExpression VisitJoinPredicate(SqlExpression predicate)
        => VisitUsing("join on it", predicate) is var visited
            && predicate is SqlBinaryExpression { OperatorType: ExpressionType.Equal, Left: var key } && IsEncrypted(key)
            && visited is SqlBinaryExpression { OperatorType: ExpressionType.AndAlso, Left: SqlBinaryExpression { OperatorType: ExpressionType.Equal, Left: var compared } }
            ? _sql.AndAlso(_sql.IsNotNull(compared), visited)
            : visited;

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

    private SelectExpression VisitSelect(
        SelectExpression select, IReadOnlyList<IndexRequest> requests, Func<SqlExpression, SqlExpression>? compare = null)
    {
        if (select.GroupBy.FirstOrDefault(IsEncrypted) is { } grouped)
            throw Refuse(grouped, "group by it");
        if (select.IsDistinct && compare is null && FindUnkeyed(select) is { } repeated)
            throw new EnvelopeConfigurationException(EnvelopeMessages.Distinct(NameOf(repeated)));
        _use = "filter by it";
        _scopes.Push(select);
        try
        {
            // From the last table to the first, and all expressions before them: a derived table is visited when all have asked it.
            var predicate = (SqlExpression?)Visit(select.Predicate);
            var groupBy = VisitAll(select.GroupBy);
            var having = (SqlExpression?)Visit(select.Having);
            IReadOnlyList<ProjectionExpression> projection = compare is null
                ? VisitAll(select.Projection)
                : [select.Projection[0].Update(compare(select.Projection[0].Expression))];
            projection = requests.Count == 0 ? projection : [.. projection, .. requests.Select(r => Show(select, r))];
            var orderings = VisitAll(select.Orderings);
            var offset = (SqlExpression?)Visit(select.Offset);
            var limit = (SqlExpression?)Visit(select.Limit);
            var tables = VisitAll(select.Tables, backwards: true);
            return select.Update(tables, predicate, groupBy, having, projection, orderings, offset, limit);
        }
        finally
        {
            _scopes.Pop();
        }
    }

    private ProjectionExpression Show(SelectExpression select, IndexRequest request)
    {
        var source = select.Projection.Single(p => p.Alias == request.Source).Expression;
        if (IsNull(source))
        {
            // With its type wherever that of the property has it: PostgreSQL takes a null that stands with no other for text.
            var mapping = request.Index.Property.GetRelationalTypeMapping();
            SqlExpression none = new SqlConstantExpression(null, typeof(Envelope), mapping);
            return new ProjectionExpression(
                source is SqlUnaryExpression ? new SqlUnaryExpression(ExpressionType.Convert, none, typeof(Envelope), mapping) : none, request.Alias);
        }

        return source is ColumnExpression column && _scopes.FindIndexColumn(column, request.Index) is { } index
            ? new ProjectionExpression(index, request.Alias)
            : throw Refuse(source, "compare it");
    }

    private IReadOnlyList<T> VisitAll<T>(IReadOnlyList<T> nodes, bool backwards = false)
        where T : Expression
    {
        var visited = new T[nodes.Count];
        var changed = false;
        for (var n = 0; n < nodes.Count; n++)
        {
            var i = backwards ? nodes.Count - 1 - n : n;
            visited[i] = (T)Visit(nodes[i]);
            changed |= !ReferenceEquals(visited[i], nodes[i]);
        }

        return changed ? visited : nodes;
    }

    private Expression VisitSetOperation(SetOperationBase operation)
    {
        foreach (var (first, second) in operation.Source1.Projection.Zip(operation.Source2.Projection))
            RequireSameColumn(first.Expression, second.Expression);
        var comparesRows = operation.IsDistinct || operation is not UnionExpression;
        if (comparesRows && FindUnkeyed(operation) is { } compared)
            throw new EnvelopeConfigurationException(EnvelopeMessages.SetOperation(NameOf(compared)));
        // By position: the result has the names of the first side.
        var requests = _scopes.TakeRequests(operation.Alias);
        var names = operation.Source1.Projection.Select(p => p.Alias).ToList();
        return operation.Update(
            VisitSelect(operation.Source1, requests),
            VisitSelect(operation.Source2, [.. requests.Select(r => r with { Source = operation.Source2.Projection[names.IndexOf(r.Source)].Alias })]));
    }

    private Expression VisitEncrypted(SqlExpression expression)
    {
        switch (expression)
        {
            case ColumnExpression:
                FoundEnvelopes = true;
                return expression;
            case SqlParameterExpression parameter:
                FoundEnvelopes = true;
                return SearchParameters.Late(parameter);
            case var _ when IsNull(expression):
                return expression;
            case SqlConstantExpression constant:
                FoundEnvelopes = true;
                return _parameters.ToParameter(constant);
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
            _ => _use,
        };
        var visited = base.VisitExtension(node);
        return visited is SqlBinaryExpression { OperatorType: not (ExpressionType.AndAlso or ExpressionType.OrElse) } binary && visited != node
            ? binary.Update(Enclose(binary.Left), Enclose(binary.Right))
            : visited;
    }

    // A comparison that became IN and is compared itself: EF Core writes 'a IN (b) = c IN (d)', which SQLite reads as '((a IN (b)) = c) IN (d)'.
    private SqlExpression Enclose(SqlExpression operand)
        => MayBecomeIn(operand)
            ? _sql.Case([new CaseWhenClause(operand, _sql.Constant(true, operand.TypeMapping))], _sql.Constant(false, operand.TypeMapping))
            : operand;

    // What stands beside it may fall away when EF Core simplifies: 'IS NOT NULL' of a required column, or what the value of a parameter decides.
    private static bool MayBecomeIn(SqlExpression expression)
        => expression switch
        {
            InExpression => true,
            SqlUnaryExpression { OperatorType: ExpressionType.Not, Operand: var operand } => MayBecomeIn(operand),
            SqlBinaryExpression { OperatorType: ExpressionType.AndAlso or ExpressionType.OrElse } binary => MayBecomeIn(binary.Left) || MayBecomeIn(binary.Right),
            CaseExpression @case => @case.WhenClauses.Any(w => MayBecomeIn(w.Result)) || (@case.ElseResult is { } otherwise && MayBecomeIn(otherwise)),
            _ => false,
        };

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

    // PostgreSQL wants to know the type of a null that stands for a column which a concrete type (TPC) does not have.
    internal static bool IsNull(SqlExpression expression)
        => expression is SqlConstantExpression { Value: null }
            or SqlUnaryExpression { OperatorType: ExpressionType.Convert, Operand: SqlConstantExpression { Value: null } };

    internal static bool IsEncrypted(SqlExpression expression) => expression.TypeMapping is EnvelopeTypeMapping;

    private static string? FieldOf(SqlExpression expression)
        => EnvelopeConverters.TryFindField(expression.TypeMapping?.Converter, out var field) ? field : null;

    internal string NameOf(SqlExpression expression)
    {
        var leaf = FindEncryptedLeaf(expression) ?? expression;
        return FindProperty(leaf) is { } property ? EnvelopeRules.NameOf(property) : FieldOf(leaf) ?? "An encrypted property";
    }

    // A column does not know what it is mapped to once it was made nullable or came out of a subquery; its converter still does.
    private IProperty? FindProperty(SqlExpression expression)
        => expression is ColumnExpression { Column: { } column } && column.PropertyMappings.FirstOrDefault() is { } mapping
            ? mapping.Property
            : FieldOf(expression) is { } field ? MarkedMembers.FindByField(_queryCompilationContext.Model, field) : null;

    internal static ColumnExpression? FindEncryptedLeaf(SqlExpression expression)
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
