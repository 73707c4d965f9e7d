using System.Linq.Expressions;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification;

/// <summary>
/// Random queries: predicates put together of comparisons of encrypted and plain properties, in all shapes that a query may have. The same query over
/// the decrypted rows in memory says what is right.
/// </summary>
internal sealed class SearchFuzzing(int seed)
{
    private static readonly List<string> Records = ["r-1", "r-4", "zz"];
    private static readonly string?[] Codes = ["c-1", null];
    private static readonly string?[] Emails = ["don@example.org", null, "alan@example.org"];

    private static readonly Expression<Func<Person, bool>>[] Comparisons =
    [
        p => p.Record == "r-1", p => p.Record != "r-2", p => p.Code == Code, p => p.Code != Code, p => p.Code == Null, p => p.Code != null, p => p.Code == "",
        p => p.Level == Level, p => p.Level != 5, p => p.Grade == Grade.B, p => p.Active, p => p.Active == True, p => p.Token == null, p => p.Born != null,
        p => Records.Contains(p.Record), p => Codes.Contains(p.Code), p => !Codes.Contains(p.Code), p => string.IsNullOrEmpty(p.Code), p => Null == p.Code,
        p => p.Phone == Phone, p => p.Phone != "t-1", p => p.Email == "don@example.org", p => p.Email != "don@example.org", p => p.Email == Null,
        p => Emails.Contains(p.Email), p => !Emails.Contains(p.Email), p => string.IsNullOrEmpty(p.Email), p => p.Balance == Balance, p => p.Balance != Balance,
        p => new[] { "t-1", "t-5" }.Contains(p.Phone), p => p.Zip.StartsWith("123"), p => p.Home.Street == "s-1", p => p.Last == "Turing" && p.Town == "London",
        p => p.Name == "Ada", p => p.Id > 3, p => p.TeamId == null, p => p.TeamId == 1, p => p.Code == p.Code, p => p.Email != p.Email,
        p => p.Orders.Any(o => o.Sku == "k-1"), p => p.Orders.All(o => o.Label == "l-1"), p => p.Orders.Count(o => o.Label != "l-1") > 0,
        p => p.Orders.Select(o => o.Sku).Contains("k-4"), p => p.Orders.OrderBy(o => o.Id).Select(o => o.Label).FirstOrDefault() == "l-1",
        p => p.TeamId != null && p.Team!.Hotline == "t-1", p => p.TeamId != null && p.Team!.Motto != "m-1",
        p => p.TeamId != null && p.Team!.Hotline == p.Phone, p => p.TeamId != null && p.Team!.LeadRecord != p.Record,
    ];

    private static readonly (string Name, Shape Run)[] Shapes =
    [
        ("Where", (q, a, b, c) => Ids(q.Where(a))),
        ("Where twice", (q, a, b, c) => Ids(q.Where(a).Where(b))),
        ("Take, then Where", (q, a, b, c) => Ids(q.Where(a).OrderBy(p => p.Id).Take(4).Where(b))),
        ("Concat", (q, a, b, c) => Ids(q.Where(a).Concat(q.Where(b)).Where(c))),
        ("Union", (q, a, b, c) => Ids(q.Where(a).Union(q.Where(b)).Where(c))),
        ("Except", (q, a, b, c) => Ids(q.Where(a).Except(q.Where(b)).Where(c))),
        ("Distinct", (q, a, b, c) => Ids(q.Where(a).Distinct().Where(b))),
        ("Select", (q, a, b, c) => [.. q.OrderBy(p => p.Id).Select(a).ToList().Cast<object>()]),
        ("OrderBy", (q, a, b, c) => [.. q.OrderBy(a).ThenBy(b).ThenBy(p => p.Id).Select(p => p.Id).ToList().Cast<object>()]),
        ("GroupBy", (q, a, b, c) => [.. q.GroupBy(a).Select(g => g.Count()).ToList().Order().Cast<object>()]),
        ("GroupBy, counting some", (q, a, b, c) => [.. q.GroupBy(p => p.TeamId).OrderBy(g => g.Key ?? 0).Select(g => g.AsQueryable().Count(a)).ToList().Cast<object>()]),
        ("Count", (q, a, b, c) => [q.Count(a)]),
        ("Any", (q, a, b, c) => [q.Where(a).Any(b)]),
        ("All", (q, a, b, c) => [q.Where(a).All(b)]),
        ("Any in a subquery", (q, a, b, c) => q.Where(a) is var inner ? Ids(q.Where(p => inner.Any(x => x.TeamId == p.TeamId)).Where(b)) : []),
        ("Contains of a subquery", (q, a, b, c) => q.Where(a).Select(x => x.Id) is var ids ? Ids(q.Where(p => ids.Contains(p.Id)).Where(b)) : []),
        ("Contains of an encrypted subquery", (q, a, b, c) => q.Where(a).Select(x => x.Code) is var codes ? Ids(q.Where(p => codes.Contains(p.Code)).Where(b)) : []),
        ("negated Contains of an indexed subquery", (q, a, b, c) => q.Where(a).Select(x => x.Balance) is var values ? Ids(q.Where(p => !values.Contains(p.Balance)).Where(b)) : []),
        ("Join", (q, a, b, c) => [.. q.Where(a).Join(q.Where(b), x => x.Code, y => y.Code, (x, y) => (x.Id * 10) + y.Id).ToList().Order().Cast<object>()]),
        ("Join of derived tables", (q, a, b, c) => [.. q.Where(a).OrderBy(x => x.Id).Take(5)
            .Join(q.Where(b).OrderBy(x => x.Id).Take(4), x => x.Balance, y => y.Balance, (x, y) => (x.Id * 10) + y.Id).ToList().Order().Cast<object>()]),
    ];

    private readonly Random _random = new(seed);

    // They can be set, so EF Core takes them for parameters.
    private static string? Null { get; set; }

    private static string Code { get; set; } = "c-1";

    private static string Phone { get; set; } = "t-2";

    private static int Level { get; set; } = 3;

    private static bool True { get; set; } = true;

    private static decimal? Balance { get; set; } = 1.50m;

    private delegate object[] Shape(
        IQueryable<Person> people, Expression<Func<Person, bool>> first, Expression<Func<Person, bool>> second, Expression<Func<Person, bool>> third);

    /// <summary>Makes the next query.</summary>
    /// <returns>What it is, for messages, and the query.</returns>
    public (string Text, Func<IQueryable<Person>, object[]> Run) Next()
    {
        var (name, shape) = Shapes[_random.Next(Shapes.Length)];
        var (first, second, third) = (Predicate(_random.Next(1, 4)), Predicate(_random.Next(0, 2)), Predicate(_random.Next(0, 2)));
        return ($"seed {seed}, {name}: {first} | {second} | {third}", people => shape(people, first, second, third));
    }

    private static object[] Ids(IQueryable<Person> people) => [.. people.Select(p => p.Id).ToList().Order().Cast<object>()];

    private Expression<Func<Person, bool>> Predicate(int depth)
    {
        var person = Expression.Parameter(typeof(Person), "p");
        return Expression.Lambda<Func<Person, bool>>(Condition(person, depth), person);
    }

    private Expression Condition(ParameterExpression person, int depth)
    {
        if (depth == 0 || _random.Next(5) == 0)
        {
            var comparison = Comparisons[_random.Next(Comparisons.Length)];
            return new Exchange(comparison.Parameters[0], person).Visit(comparison.Body);
        }

        return _random.Next(8) switch
        {
            0 or 1 => Expression.AndAlso(Condition(person, depth - 1), Condition(person, depth - 1)),
            2 or 3 => Expression.OrElse(Condition(person, depth - 1), Condition(person, depth - 1)),
            4 => Expression.Not(Condition(person, depth - 1)),
            5 => Expression.Equal(Condition(person, depth - 1), Condition(person, depth - 1)),
            6 => Expression.NotEqual(Condition(person, depth - 1), Condition(person, depth - 1)),
            _ => Expression.Condition(Condition(person, depth - 1), Condition(person, depth - 1), Condition(person, depth - 1)),
        };
    }

    private sealed class Exchange(Expression from, Expression to) : ExpressionVisitor
    {
        protected override Expression VisitParameter(ParameterExpression node) => node == from ? to : base.VisitParameter(node);
    }
}
