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
    private const string Compared = "compare it";
    private const string CompareWithOther = "compare it with anything but a value or a column of its own encryption context";
    private const string ArrayAny = "Npgsql.EntityFrameworkCore.PostgreSQL.Query.Expressions.Internal.PgAnyExpression";

    /// <summary>Rewrites a comparison of something encrypted.</summary>
    /// <returns>What the database can answer, or <see langword="null" /> when this is no such comparison.</returns>
    public SqlExpression? TryRewrite(SqlExpression node)
        => node switch
        {
            SqlBinaryExpression { OperatorType: ExpressionType.AndAlso } and => TryRewriteCompound(and),
            SqlBinaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual } comparison
                when (Is(Bare(comparison.Left)) || Is(Bare(comparison.Right)))
                    && !EnvelopeQueryGuard.IsNull(comparison.Left) && !EnvelopeQueryGuard.IsNull(comparison.Right)
                => Compare(comparison),
            InExpression { Subquery: { } subquery } @in when Is(Bare(@in.Item)) || subquery.Projection is [{ Expression: var projected }] && Is(projected)
                => LookUp(@in, subquery),
            InExpression @in when Is(Bare(@in.Item)) => LookUp(@in),
            SqlFunctionExpression { Name: EncryptedText.StartsWithFunction, Arguments: [var text, var start] } => ComparePart(text, start, BlindIndexProjection.First, node),
            SqlFunctionExpression { Name: EncryptedText.EndsWithFunction, Arguments: [var text, var end] } => ComparePart(text, end, BlindIndexProjection.Last, node),

            // How SQL Server is asked whether a text is empty.
            LikeExpression { Pattern: SqlConstantExpression { Value: "" } empty, EscapeChar: null } like when Is(like.Match)
                => Compare(new SqlBinaryExpression(ExpressionType.Equal, like.Match, new SqlConstantExpression("", typeof(string), like.Match.TypeMapping), typeof(bool), like.TypeMapping)),
            _ when node.GetType().FullName == ArrayAny => LookUpInArray(node),
            _ => null,
        };

    private static bool Is(SqlExpression expression) => EnvelopeQueryGuard.IsEncrypted(expression);

    private static SqlExpression Bare(SqlExpression expression) => EnvelopeQueryGuard.Bare(expression);

    private SqlExpression Compare(SqlBinaryExpression comparison)
    {
        var (left, right) = (Bare(comparison.Left), Bare(comparison.Right));
        if (SearchParameters.IsValue(left))
            (left, right) = (right, left);
        if (SearchParameters.IsValue(right))
        {
            var found = Ask(left, Compared, compared => AnyOf(compared, [right], comparison));
            return comparison.OperatorType == ExpressionType.Equal ? found : sql.Not(found);
        }

        var compared = FindComparand(left) ?? throw guard.Refuse(Is(left) ? left : right, CompareWithOther);
        var other = FindComparand(right) ?? throw guard.Refuse(Is(right) ? right : left, CompareWithOther);
        return WithProbe(
            RequireSame(compared, other),
            new SqlBinaryExpression(comparison.OperatorType, compared.Expression, other.Expression, typeof(bool), comparison.TypeMapping));
    }

    // A choice is asked branch by branch: 'a ?? b == x' is 'a is not null ? a == x : b == x'.
    private SqlExpression Ask(SqlExpression encrypted, string use, Func<Comparand, SqlExpression> ask)
    {
        return AskBranch(encrypted);

        SqlExpression AskBranch(SqlExpression? branch)
        {
            switch (branch)
            {
                case CaseExpression @case:
                    var restored = guard.Conditions.Restore(@case);
                    return new CaseExpression(
                        (SqlExpression?)guard.Visit(restored.Operand),
                        [.. restored.WhenClauses.Select(w => new CaseWhenClause((SqlExpression)guard.Visit(w.Test), AskBranch(w.Result)))],
                        AskBranch(@case.ElseResult));
                case SqlFunctionExpression { Name: "COALESCE", Instance: null, Arguments: { } arguments }:
                    return arguments.SkipLast(1).Reverse().Aggregate(
                        AskBranch(arguments[^1]),
                        (otherwise, a) => new CaseExpression([new CaseWhenClause(sql.IsNotNull(VisitTested(a)), AskBranch(a))], otherwise));
                case null:
                    return AskValue(new SqlConstantExpression(null, encrypted.Type, encrypted.TypeMapping));
                case var value when SearchParameters.IsValue(value) || EnvelopeQueryGuard.IsNull(value):
                    return AskValue(value);
                default:
                    return ask(FindComparand(branch) ?? throw guard.Refuse(Is(branch) ? branch : encrypted, use));
            }
        }

        // A value of the query's own has the bytes that a row with this value has: one slot is enough to compare them.
        SqlExpression AskValue(SqlExpression value)
        {
            var like = Leaves(encrypted).Select(l => FindComparand(l)).FirstOrDefault(c => c is not null)
                ?? throw guard.Refuse(encrypted, use);
            var bytes = EnvelopeQueryGuard.IsNull(value) ? value : parameters.ForSlots(like, value).First();
            return ask(like with { Expression = bytes, IsValue = true });
        }

        SqlExpression VisitTested(SqlExpression tested)
            => SearchParameters.IsValue(tested) ? parameters.ToParameter(tested) : guard.VisitAllowed(tested);
    }

    private static IEnumerable<SqlExpression> Leaves(SqlExpression expression)
        => expression switch
        {
            CaseExpression @case => @case.WhenClauses.Select(w => w.Result).Append(@case.ElseResult).OfType<SqlExpression>().SelectMany(Leaves),
            SqlFunctionExpression { Name: "COALESCE", Arguments: { } arguments } => arguments.SelectMany(Leaves),
            _ => [expression],
        };

    // One IN for all versions: null in the column or in the parameter is EF Core's business, as ever.
    private SqlExpression AnyOf(Comparand compared, IEnumerable<SqlExpression> values, SqlExpression boolean)
    {
        var given = values.ToList();
        var slots = given.SelectMany(v => EnvelopeQueryGuard.IsNull(v) ? [v] : parameters.ForSlots(compared, v)).ToList();
        if (!compared.Property.AllowsPlaintext || compared.IsValue)
            return new InExpression(compared.Expression, slots, boolean.TypeMapping!);
        var plain = given.Select(v => EnvelopeQueryGuard.IsNull(v) ? v : parameters.ForPlaintext(compared.Property, v)).ToList();
        return compared.Index is null
            ? new InExpression(compared.Expression, [.. slots, .. plain], boolean.TypeMapping!)
            : OrInPlaintext(
                compared,
                new InExpression(compared.Expression, slots, boolean.TypeMapping!),
                new InExpression(PlaintextOf(compared), plain, boolean.TypeMapping!));
    }

    // A row that was not backfilled yet has no index: it must not be found as if it had none because it is null.
    private SqlExpression OrInPlaintext(Comparand compared, SqlExpression inIndex, SqlExpression inPlaintext)
        => sql.OrElse(sql.AndAlso(inIndex, sql.IsNotNull(compared.Expression)), inPlaintext);

    // What stands in a subquery was passed through the guard as a whole with its index, not with its value.
    private SqlExpression PlaintextOf(Comparand compared)
        => compared.Index is null ? compared.Expression
            : compared.Source as ColumnExpression
                ?? throw guard.Refuse(compared.Expression, "compare it in a subquery while it is backfilled");

    private SqlExpression LookUp(InExpression @in)
    {
        var item = Bare(@in.Item);
        if (@in.ValuesParameter is { } list)
        {
            return Ask(
                item, "look it up in a list",
                compared => AnyOfList(compared, list, (found, values) => new InExpression(found, values, @in.TypeMapping!)));
        }

        if (@in.Values!.FirstOrDefault(v => !SearchParameters.IsValue(v) && !EnvelopeQueryGuard.IsNull(v)) is { } strange)
            throw guard.Refuse(Is(strange) ? strange : item, "look it up in a list of columns");
        return Ask(item, "look it up in a list", compared => AnyOf(compared, @in.Values!, @in));
    }

    private SqlExpression AnyOfList(
        Comparand compared, SqlParameterExpression list, Func<SqlExpression, SqlParameterExpression, SqlExpression> look)
    {
        var found = parameters.ForSlots(compared, list).Select(values => look(compared.Expression, values)).Aggregate(sql.OrElse);
        if (!compared.Property.AllowsPlaintext || compared.IsValue)
            return found;
        var plain = look(PlaintextOf(compared), parameters.ForPlaintext(compared.Property, list));
        return compared.Index is null ? sql.OrElse(found, plain) : OrInPlaintext(compared, found, plain);
    }

    private SqlExpression LookUp(InExpression @in, SelectExpression subquery)
    {
        var given = Bare(@in.Item);
        if (Is(given) && FindWholeList(subquery) is { } list)
            return LookUp(new InExpression(given, list, @in.TypeMapping!));
        var projected = subquery.Projection[0].Expression;
        if (EnvelopeQueryGuard.IsNull(given))
            return @in.Update(given, guard.VisitCompared(subquery, guard.VisitAllowed));
        if (!Is(projected))
            throw guard.Refuse(given, "look it up in a subquery");
        Comparand? inside = null;
        var compared = guard.VisitCompared(
            subquery,
            expression => (inside = FindComparand(expression) ?? throw guard.Refuse(projected, "look it up in a subquery")).Expression);
        if (SearchParameters.IsValue(given))
        {
            if (inside!.Property.AllowsPlaintext)
                throw guard.Refuse(projected, "look it up in a subquery");
            return parameters.ForSlots(inside, given)
                .Select(SqlExpression (value) => new InExpression(value, compared, @in.TypeMapping!)).Aggregate(sql.OrElse);
        }

        var item = FindComparand(given) ?? throw guard.Refuse(Is(given) ? given : projected, "look it up in a subquery");
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
        if (children.Found is not [SqlExpression item, SqlExpression array] || !Is(Bare(item)))
            return null;
        if (array is not SqlParameterExpression list || any.GetType().GetProperty("OperatorType")?.GetValue(any)?.ToString() != "Equal")
            throw guard.Refuse(item, "look it up in this way");
        return Ask(
            Bare(item), "look it up in a list",
            compared => AnyOfList(
                compared, list,
                (found, values) => (SqlExpression)new Replacer(
                    new Dictionary<Expression, Expression> { [item] = found, [array] = values }).Visit(any)));
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

    /// <summary>Finds an expression whose equal values have equal bytes while one version is in use, so that rows can be told apart by it.</summary>
    public Comparand? FindUnified(SqlExpression expression)
        => expression is not ColumnExpression || !Is(expression) || scopes.Trace(expression) is not { IsDeterministic: true } property ? null
            : property.AllowsPlaintext ? throw new EnvelopeConfigurationException(EnvelopeMessages.ColumnsInBothForms(property, property))
            : new Comparand(expression, property, null, expression);

    /// <summary>Makes a condition that every row meets, and that lets the command fail while two versions are live.</summary>
    public SqlExpression RequireOneVersion(Comparand compared)
        => sql.OrElse(sql.IsNull(compared.Expression), sql.NotEqual(compared.Expression, parameters.ForProbe(compared)));

    private static Comparand RequireSame(Comparand first, Comparand second)
        => !first.IsComparableWith(second) ? throw new EnvelopeConfigurationException(EnvelopeMessages.NotComparable(first.Property.Name, second.Property.Name))
            : first.Property.AllowsPlaintext || second.Property.AllowsPlaintext
                ? throw new EnvelopeConfigurationException(EnvelopeMessages.ColumnsInBothForms(first.Property, second.Property))
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
                return compares ? new Comparand(column, property, null, column)
                    : scopes.FindIndexColumn(column, index!) is { } beside ? new Comparand(beside, property, index, column)
                    : null;
            case ScalarSubqueryExpression subquery:
                Comparand? inside = null;
                var select = guard.VisitCompared(
                    subquery.Subquery,
                    projected => (inside = FindComparand(projected, projection) ?? throw guard.Refuse(projected, Compared)).Expression);
                var found = new ScalarSubqueryExpression(select);
                return inside! with { Expression = found, Source = found };
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
            var column = scopes.FindIndexColumn(first, index) ?? throw guard.Refuse(first, Compared);
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
        var (column, value) = SearchParameters.IsValue(equal.Left) ? (Bare(equal.Right), equal.Left) : (Bare(equal.Left), equal.Right);
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
