using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Rewrites the comparisons that the database can answer: equality with a value or a list of values becomes one with the bytes that the value has under
/// every version in use, on the deterministic column or on the blind index beside a randomized one; columns of one encryption context are compared
/// with each other while one version is in use.
/// </summary>
internal sealed class EnvelopeComparisons(EnvelopeQueryGuard guard, SelectScopes scopes, SearchParameters parameters, ISqlExpressionFactory sql)
{
    private const string ArrayAny = "Npgsql.EntityFrameworkCore.PostgreSQL.Query.Expressions.Internal.PgAnyExpression";

    /// <summary>Rewrites a comparison of something encrypted.</summary>
    /// <returns>What the database can answer, or <see langword="null" /> when this is no such comparison.</returns>
    public SqlExpression? TryRewrite(SqlExpression node)
        => node switch
        {
            SqlBinaryExpression { OperatorType: ExpressionType.AndAlso } and => TryRewriteCompound(and),
            SqlBinaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual } comparison
                when (Is(comparison.Left) || Is(comparison.Right)) && !EnvelopeQueryGuard.IsNull(comparison.Left) && !EnvelopeQueryGuard.IsNull(comparison.Right)
                => Compare(comparison),
            InExpression { Subquery: { } subquery } @in when Is(@in.Item) || subquery.Projection is [{ Expression: var projected }] && Is(projected)
                => LookUp(@in, subquery),
            InExpression @in when Is(@in.Item) => LookUp(@in),
            SqlFunctionExpression { Name: EncryptedText.StartsWithFunction, Arguments: [var text, var start] } => ComparePart(text, start, BlindIndexProjection.First, node),
            SqlFunctionExpression { Name: EncryptedText.EndsWithFunction, Arguments: [var text, var end] } => ComparePart(text, end, BlindIndexProjection.Last, node),

            // How SQL Server is asked whether a text is empty.
            LikeExpression { Pattern: SqlConstantExpression { Value: "" } empty, EscapeChar: null } like when Is(like.Match)
                => Compare(new SqlBinaryExpression(ExpressionType.Equal, like.Match, new SqlConstantExpression("", typeof(string), like.Match.TypeMapping), typeof(bool), like.TypeMapping)),
            _ when node.GetType().FullName == ArrayAny => LookUpInArray(node),
            _ => null,
        };

    private static bool Is(SqlExpression expression) => EnvelopeQueryGuard.IsEncrypted(expression);

    private SqlExpression Compare(SqlBinaryExpression comparison)
    {
        var (left, right) = (comparison.Left, comparison.Right);
        if (SearchParameters.IsValue(left))
            (left, right) = (right, left);
        var compared = FindComparand(left) ?? throw guard.Refuse(Is(left) ? left : right, "compare it");
        if (SearchParameters.IsValue(right))
        {
            var found = AnyOf(compared, left, [right], comparison);
            return comparison.OperatorType == ExpressionType.Equal ? found : sql.Not(found);
        }

        var other = FindComparand(right) ?? throw guard.Refuse(Is(right) ? right : left, "compare it");
        return WithProbe(RequireSame(compared, other), new SqlBinaryExpression(comparison.OperatorType, compared.Expression, other.Expression, typeof(bool), comparison.TypeMapping));
    }

    // One IN for all versions: null in the column or in the parameter is EF Core's business, as ever.
    private SqlExpression AnyOf(Comparand compared, SqlExpression source, IEnumerable<SqlExpression> values, SqlExpression boolean)
    {
        var given = values.ToList();
        var slots = given.SelectMany(v => EnvelopeQueryGuard.IsNull(v) ? [v] : parameters.ForSlots(compared, v)).ToList();
        if (!compared.Property.AllowsPlaintext)
            return new InExpression(compared.Expression, slots, boolean.TypeMapping!);
        var plain = given.Select(v => EnvelopeQueryGuard.IsNull(v) ? v : parameters.ForPlaintext(compared.Property, v)).ToList();
        return compared.Index is null
            ? new InExpression(compared.Expression, [.. slots, .. plain], boolean.TypeMapping!)
            : OrInPlaintext(compared, new InExpression(compared.Expression, slots, boolean.TypeMapping!), new InExpression(PlaintextOf(compared, source), plain, boolean.TypeMapping!));
    }

    // A row that was not backfilled yet has no index: it must not be found as if it had none because it is null.
    private SqlExpression OrInPlaintext(Comparand compared, SqlExpression inIndex, SqlExpression inPlaintext)
        => sql.OrElse(sql.AndAlso(inIndex, sql.IsNotNull(compared.Expression)), inPlaintext);

    // What stands in a subquery was passed through the guard as a whole with its index, not with its value.
    private SqlExpression PlaintextOf(Comparand compared, SqlExpression source)
        => compared.Index is null ? compared.Expression
            : source is ColumnExpression ? source
            : throw guard.Refuse(source, "compare it in a subquery while it is backfilled");

    private SqlExpression LookUp(InExpression @in)
    {
        var compared = FindComparand(@in.Item) ?? throw guard.Refuse(@in.Item, "look it up in a list");
        if (@in.ValuesParameter is { } list)
            return AnyOfList(compared, @in.Item, list, (item, values) => new InExpression(item, values, @in.TypeMapping!));
        if (@in.Values!.FirstOrDefault(v => !SearchParameters.IsValue(v) && !EnvelopeQueryGuard.IsNull(v)) is { } strange)
            throw guard.Refuse(Is(strange) ? strange : @in.Item, "look it up in a list of columns");
        return AnyOf(compared, @in.Item, @in.Values!, @in);
    }

    private SqlExpression AnyOfList(
        Comparand compared, SqlExpression source, SqlParameterExpression list, Func<SqlExpression, SqlParameterExpression, SqlExpression> look)
    {
        var found = parameters.ForSlots(compared, list).Select(values => look(compared.Expression, values)).Aggregate(sql.OrElse);
        if (!compared.Property.AllowsPlaintext)
            return found;
        var plain = look(PlaintextOf(compared, source), parameters.ForPlaintext(compared.Property, list));
        return compared.Index is null ? sql.OrElse(found, plain) : OrInPlaintext(compared, found, plain);
    }

    private SqlExpression LookUp(InExpression @in, SelectExpression subquery)
    {
        if (Is(@in.Item) && FindWholeList(subquery) is { } list)
            return LookUp(new InExpression(@in.Item, list, @in.TypeMapping!));
        var projected = subquery.Projection[0].Expression;
        if (!Is(projected))
            throw guard.Refuse(@in.Item, "look it up in a subquery");
        Comparand? inside = null;
        var compared = guard.VisitCompared(
            subquery,
            expression => (inside = FindComparand(expression) ?? throw guard.Refuse(projected, "look it up in a subquery")).Expression);
        if (SearchParameters.IsValue(@in.Item))
        {
            if (inside!.Property.AllowsPlaintext)
                throw guard.Refuse(projected, "look it up in a subquery");
            return parameters.ForSlots(inside, @in.Item).Select(SqlExpression (value) => new InExpression(value, compared, @in.TypeMapping!)).Aggregate(sql.OrElse);
        }

        var item = FindComparand(@in.Item) ?? throw guard.Refuse(Is(@in.Item) ? @in.Item : projected, "look it up in a subquery");
        return WithProbe(RequireSame(item, inside!), new InExpression(item.Expression, compared, @in.TypeMapping!));
    }

    // A list that the provider would unpack from JSON, in which nothing can be encrypted, is sent value by value instead: if all its values are
    // looked up, and they themselves.
    private static SqlParameterExpression? FindWholeList(SelectExpression subquery)
        => subquery is
            {
                Tables: [TableValuedFunctionExpression { Arguments: [SqlParameterExpression list, ..] } values],
                Projection: [{ Expression: ColumnExpression { Name: "value" } value }],
                Predicate: null, GroupBy: [], Having: null, Limit: null, Offset: null,
            }
            && value.TableAlias == values.Alias
            ? list
            : null;

    // PostgreSQL's 'item = ANY (array)'. Its type belongs to Npgsql, which this library does not refer to.
    private SqlExpression? LookUpInArray(SqlExpression any)
    {
        var children = new Children();
        children.Look(any);
        if (children.Found is not [SqlExpression item, SqlExpression array] || !Is(item))
            return null;
        var compared = FindComparand(item) ?? throw guard.Refuse(item, "look it up in a list");
        if (array is not SqlParameterExpression list || any.GetType().GetProperty("OperatorType")?.GetValue(any)?.ToString() != "Equal")
            throw guard.Refuse(item, "look it up in this way");
        return AnyOfList(
            compared, item, list,
            (column, values) => (SqlExpression)new Replacer(new Dictionary<Expression, Expression> { [item] = column, [array] = values }).Visit(any));
    }

    private SqlExpression ComparePart(SqlExpression text, SqlExpression part, BlindIndexProjection projection, SqlExpression node)
    {
        var use = projection == BlindIndexProjection.First ? "search in its beginning" : "search in its end";
        if (!SearchParameters.IsValue(part) || FindComparand(text, projection) is not { } compared || compared.Property.AllowsPlaintext)
            throw guard.Refuse(text, use);

        // Nothing starts with null, not even null.
        return sql.AndAlso(
            new InExpression(compared.Expression, [.. parameters.ForSlots(compared, part)], node.TypeMapping!), sql.IsNotNull(compared.Expression));
    }

    private SqlExpression WithProbe(Comparand compared, SqlExpression comparison)
        => sql.AndAlso(
            comparison,
            new SqlBinaryExpression(ExpressionType.NotEqual, compared.Expression, parameters.ForProbe(compared), typeof(bool), comparison.TypeMapping));

    private static Comparand RequireSame(Comparand first, Comparand second)
        => !first.IsComparableWith(second) ? throw new EnvelopeConfigurationException(EnvelopeMessages.NotComparable(first.Property.Name, second.Property.Name))
            : first.Property.AllowsPlaintext || second.Property.AllowsPlaintext
                ? throw new EnvelopeConfigurationException(EnvelopeMessages.ColumnsWhileBackfilling(first.Property.Name, second.Property.Name))
            : first;

    private Comparand? FindComparand(SqlExpression expression, BlindIndexProjection projection = BlindIndexProjection.Whole)
    {
        if (!Is(expression) || scopes.Trace(expression) is not { } property)
            return null;
        var compares = property.IsDeterministic && projection == BlindIndexProjection.Whole;
        var index = compares ? null : property.FindIndex(projection);
        if (!compares && index is null)
            return null;
        if (index is { Definition.AllowsMissing: true })
            throw new EnvelopeConfigurationException(EnvelopeMessages.BlindIndexIncomplete(property.Name, index.Name));
        switch (expression)
        {
            case ColumnExpression column:
                return compares ? new Comparand(column, property, null)
                    : scopes.FindIndexColumn(column, index!) is { } beside ? new Comparand(beside, property, index)
                    : null;
            case ScalarSubqueryExpression subquery:
                Comparand? inside = null;
                var select = guard.VisitCompared(
                    subquery.Subquery,
                    projected => (inside = FindComparand(projected, projection) ?? throw guard.Refuse(projected, "compare it")).Expression);
                return inside! with { Expression = new ScalarSubqueryExpression(select) };
            default:
                return null;
        }
    }

    // 'a.Last == x && a.Born == y' where neither has an index of its own but both have one together.
    private SqlExpression? TryRewriteCompound(SqlBinaryExpression and)
    {
        List<SqlExpression> conditions = [.. Flatten(and)];
        var found = false;
        while (FindCompound(conditions) is var (index, parts))
        {
            found = true;
            var first = (ColumnExpression)parts[0].Column;
            if (index.Definition.AllowsMissing)
                throw new EnvelopeConfigurationException(EnvelopeMessages.BlindIndexIncomplete(index.Sources[0].Name, index.Name));
            var column = scopes.FindIndexColumn(first, index) ?? throw guard.Refuse(first, "compare it");
            var at = conditions.IndexOf(parts[0].Condition);
            conditions[at] = new InExpression(
                column, [.. KeyRoles.Slots.Select(slot => parameters.ForCompound(index, [.. parts.Select(p => p.Value)], slot))], and.TypeMapping!);
            conditions.RemoveAll(c => parts.Any(p => p.Condition == c));
        }

        return found ? conditions.Select(c => c is InExpression { Item.TypeMapping: EnvelopeTypeMapping { Converter: null } } ? c : (SqlExpression)guard.Visit(c)).Aggregate(sql.AndAlso) : null;
    }

    private static IEnumerable<SqlExpression> Flatten(SqlExpression expression)
        => expression is SqlBinaryExpression { OperatorType: ExpressionType.AndAlso } and ? Flatten(and.Left).Concat(Flatten(and.Right)) : [expression];

    private (BlindIndex Index, IReadOnlyList<Part> Parts)? FindCompound(List<SqlExpression> conditions)
    {
        var parts = conditions.Select(FindPart).OfType<Part>().ToList();
        foreach (var group in parts.GroupBy(p => ((ColumnExpression)p.Column).TableAlias))
        {
            foreach (var index in group.SelectMany(p => p.Property.Indexes).Where(i => i.Definition.IsCompound).Distinct())
            {
                var all = index.Sources.Select(s => group.FirstOrDefault(p => p.Property.IsSameColumnAs(s))).OfType<Part>().ToList();
                if (all.Count == index.Sources.Count && all.Any(p => !p.Property.IsDeterministic && p.Property.FindIndex(BlindIndexProjection.Whole) is null))
                    return (index, all);
            }
        }

        return null;
    }

    private Part? FindPart(SqlExpression condition)
    {
        if (condition is not SqlBinaryExpression { OperatorType: ExpressionType.Equal } equal)
            return null;
        var (column, value) = SearchParameters.IsValue(equal.Left) ? (equal.Right, equal.Left) : (equal.Left, equal.Right);
        return SearchParameters.IsValue(value) && column is ColumnExpression && Is(column) && scopes.Trace(column) is { } property
            ? new Part(condition, column, value, property)
            : null;
    }

    private sealed record Part(SqlExpression Condition, SqlExpression Column, SqlExpression Value, EncryptedProperty Property);

    private sealed class Children : ExpressionVisitor
    {
        private bool _below;

        public List<Expression> Found { get; } = [];

        public void Look(Expression node) => Visit(node);

        protected override Expression VisitExtension(Expression node)
        {
            if (_below)
            {
                Found.Add(node);
                return node;
            }

            _below = true;
            return base.VisitExtension(node);
        }
    }

    private sealed class Replacer(Dictionary<Expression, Expression> replacements) : ExpressionVisitor
    {
        protected override Expression VisitExtension(Expression node)
            => replacements.TryGetValue(node, out var replacement) ? replacement : base.VisitExtension(node);
    }
}
