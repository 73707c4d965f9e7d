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

    // What compares the rows of the SELECTs around: each of these columns has to be under one version.
    private readonly Stack<List<Comparand>> _unified = new();

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
        Conditions = new Conditions(sql);
    }

    public Conditions Conditions { get; }

    /// <summary>Gets whether the query reads or writes encrypted columns.</summary>
    public bool FoundEnvelopes { get; set; }

    // A number that is cast in the last projection is read as it is, and cast in memory.
    public SelectExpression Guard(SelectExpression select)
        => (SelectExpression)Visit(
            select.Projection.Any(p => Bare(p.Expression) != p.Expression)
                ? select.Update(
                    select.Tables, select.Predicate, select.GroupBy, select.Having,
                    [.. select.Projection.Select(p => p.Update(Bare(p.Expression)))], select.Orderings, select.Offset, select.Limit)
                : select);

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
        if (node is CaseExpression choice)
            node = Conditions.Restore(choice);
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
                SqlUnaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual } test
                    when Bare(test.Operand) is var tested && IsEncrypted(tested) => test.Update(VisitAllowed(tested)),
                SqlBinaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual, Right: SqlConstantExpression { Value: null } } test
                    when Bare(test.Left) is var tested && IsEncrypted(tested) => test.Update(VisitAllowed(tested), test.Right),
                SqlBinaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual, Left: SqlConstantExpression { Value: null } } test
                    when Bare(test.Right) is var tested && IsEncrypted(tested) => test.Update(test.Left, VisitAllowed(tested)),
                SqlFunctionExpression count when FindCounted(count) is { } counted && Unify(counted, "count it") is not null => count,
                RowNumberExpression row when row.Partitions.Any(IsEncrypted)
                    => row.Update([.. row.Partitions.Select(VisitGrouped)], VisitAll(row.Orderings)),
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

    // Rows are told apart by a column whose equal values have equal bytes; by a randomized one they are not.
    private ColumnExpression Unify(SqlExpression expression, string use)
    {
        _unified.Peek().Add(_comparisons.FindUnified(expression) ?? throw Refuse(expression, use));
        FoundEnvelopes = true;
        return (ColumnExpression)expression;
    }

    // PostgreSQL's function says by itself that it counts each value once. Its type belongs to Npgsql, which this library does not refer to.
    private static ColumnExpression? FindCounted(SqlFunctionExpression function)
        => function switch
        {
            { Name: "COUNT" or "COUNT_BIG", Arguments: [DistinctExpression { Operand: ColumnExpression counted }] } when IsEncrypted(counted) => counted,
            { Name: "count", Arguments: [ColumnExpression counted] } when IsEncrypted(counted)
                && function.GetType().GetProperty("IsAggregateDistinct")?.GetValue(function) is true
                && function.GetType().GetProperty("AggregatePredicate")?.GetValue(function) is null => counted,
            _ => null,
        };

    private SqlExpression VisitGrouped(SqlExpression expression)
        => !IsEncrypted(expression) ? (SqlExpression)Visit(expression)
            : Unify(expression, expression is ColumnExpression ? "group by it" : "group by an expression of it");

    private SqlExpression VisitUsing(string use, SqlExpression expression)
    {
        _use = use;
        return (SqlExpression)Visit(expression);
    }

    // EF Core lets null join nothing where the predicate is one equality of columns. With a probe beside it, it would be so no longer; and where
    // one side is a value, it would not know what the equality has become.
    private SqlExpression VisitJoinPredicate(SqlExpression predicate)
    {
        var visited = VisitUsing("join on it", Conditions.Restore(predicate)!);
        return visited switch
        {
            SqlBinaryExpression
            {
                OperatorType: ExpressionType.AndAlso, Left: SqlBinaryExpression { OperatorType: ExpressionType.Equal, Left: var compared },
            } when predicate is SqlBinaryExpression { OperatorType: ExpressionType.Equal, Left: var key } && IsEncrypted(key)
                => _sql.AndAlso(_sql.IsNotNull(compared), visited),
            SqlBinaryExpression { OperatorType: not ExpressionType.OrElse } => visited,
            _ => visited == predicate ? visited : _sql.Equal(visited, _sql.Constant(true)),
        };
    }

    public SqlExpression VisitAllowed(SqlExpression expression)
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
        SelectExpression select, IReadOnlyList<IndexRequest> requests, Func<SqlExpression, SqlExpression>? compare = null,
        IEnumerable<Comparand>? unified = null)
    {
        _use = "filter by it";
        _scopes.Push(select);
        _unified.Push([.. unified ?? []]);
        try
        {
            var groupBy = select.GroupBy.Count == 0 ? select.GroupBy : [.. select.GroupBy.Select(VisitGrouped)];
            if (select.IsDistinct && compare is null)
                UnifyRows(FindUnkeyed(select));

            // From the last table to the first, and all expressions before them: a derived table is visited when all have asked it.
            var predicate = (SqlExpression?)Visit(Conditions.Restore(select.Predicate));
            var having = (SqlExpression?)Visit(Conditions.Restore(select.Having));
            IReadOnlyList<ProjectionExpression> projection = compare is null
                ? VisitAll(select.Projection)
                : [select.Projection[0].Update(compare(select.Projection[0].Expression))];
            projection = requests.Count == 0 ? projection : [.. projection, .. requests.Select(r => Show(select, r))];
            var orderings = VisitAll(select.Orderings);
            var offset = (SqlExpression?)Visit(select.Offset);
            var limit = (SqlExpression?)Visit(select.Limit);
            if (_unified.Peek() is [var compared, ..] && _comparisons.RequireOneVersion(compared) is var oneVersion)
                predicate = predicate is null ? oneVersion : _sql.AndAlso(predicate, oneVersion);
            var tables = VisitAll(select.Tables, backwards: true);
            return select.Update(tables, predicate, groupBy, having, projection, orderings, offset, limit);
        }
        finally
        {
            _unified.Pop();
            _scopes.Pop();
        }
    }

    private void UnifyRows(IEnumerable<SqlExpression> unkeyed)
    {
        foreach (var repeated in unkeyed)
        {
            _unified.Peek().Add(
                _comparisons.FindUnified(repeated) ?? throw new EnvelopeConfigurationException(EnvelopeMessages.Distinct(NameOf(repeated))));
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
        List<Comparand> unified = [.. comparesRows ? FindUnkeyed(operation).Select(p => Unify(operation, p.First, p.Second)) : []];

        // By position: the result has the names of the first side.
        var requests = _scopes.TakeRequests(operation.Alias);
        var names = operation.Source1.Projection.Select(p => p.Alias).ToList();
        return operation.Update(
            VisitSelect(operation.Source1, requests, unified: unified),
            VisitSelect(operation.Source2, [.. requests.Select(r => r with { Source = operation.Source2.Projection[names.IndexOf(r.Source)].Alias })]));
    }

    // Both sides hold what one column could hold.
    private Comparand Unify(SetOperationBase operation, SqlExpression first, SqlExpression second)
        => _scopes.Within(operation.Source1, () => _comparisons.FindUnified(first)) is { } one
            && (IsNull(second)
                || (_scopes.Within(operation.Source2, () => _comparisons.FindUnified(second)) is { } other && one.IsComparableWith(other)))
            ? one
            : throw new EnvelopeConfigurationException(EnvelopeMessages.SetOperation(NameOf(IsEncrypted(first) ? first : second)));

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
            SqlBinaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual } => "compare it",
            SqlBinaryExpression
            {
                OperatorType: ExpressionType.LessThan or ExpressionType.LessThanOrEqual or ExpressionType.GreaterThan or ExpressionType.GreaterThanOrEqual,
            } => "compare it by '<' or '>'",
            SqlBinaryExpression { OperatorType: ExpressionType.Add } sum when sum.Type == typeof(string) => EnvelopeMessages.Concatenate,
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
    private static IEnumerable<SqlExpression> FindUnkeyed(SelectExpression select)
        => select.Projection.Select(p => p.Expression)
            .Where(e => IsEncrypted(e) && !RowOrigin.Find(select, e, [.. select.Projection.Select(p => p.Expression)]).IsKnown);

    private static IEnumerable<(SqlExpression First, SqlExpression Second)> FindUnkeyed(SetOperationBase operation)
        => operation.Source1.Projection.Zip(operation.Source2.Projection, (first, second) => (First: first, Second: second))
            .Where(p => IsEncrypted(p.First.Expression) || IsEncrypted(p.Second.Expression))
            .Where(p => !RowOrigin.Find(operation, p.First.Alias, [.. operation.Source1.Projection.Select(q => q.Alias)]).IsKnown)
            .Select(p => (p.First.Expression, p.Second.Expression));

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

    /// <summary>
    /// Finds what is encrypted below a cast that gives each value another one, or that of the property's own converter; so it is compared as the
    /// value itself is.
    /// </summary>
    internal static SqlExpression Bare(SqlExpression expression)
        => expression is SqlUnaryExpression { OperatorType: ExpressionType.Convert, Operand: var operand } cast
            && operand.TypeMapping is EnvelopeTypeMapping { Converter: { } converter }
            && EnvelopeConverters.TryFindField(converter, out _)
            && EnvelopeConverters.FindPlaintext(converter) is var (plaintext, isConverted)
            && (isConverted ? cast.Type == plaintext : ExactConversion.IsLossless(plaintext, cast.Type))
            ? operand
            : expression;

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
