using System.Linq.Expressions;
using System.Reflection;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification;

/// <summary>Conditions on every member and method of dates, times and texts that takes scalar values, found by reflection.</summary>
internal static class RefusedMembers
{
    private static readonly Dictionary<Type, object?> Values = new()
    {
        [typeof(string)] = "a", [typeof(char)] = 'a', [typeof(int)] = 1, [typeof(long)] = 1L, [typeof(double)] = 1d, [typeof(bool)] = true,
        [typeof(DateTime)] = DateTime.UnixEpoch, [typeof(DateTimeOffset)] = DateTimeOffset.UnixEpoch, [typeof(DateOnly)] = new DateOnly(2000, 1, 1),
        [typeof(TimeOnly)] = new TimeOnly(1, 2), [typeof(TimeSpan)] = TimeSpan.FromHours(1), [typeof(DateTimeKind)] = DateTimeKind.Utc,
        [typeof(StringComparison)] = StringComparison.Ordinal, [typeof(IFormatProvider)] = null,
    };

    /// <summary>Makes the conditions.</summary>
    public static IEnumerable<(string Property, string Member, Expression<Func<Moment, bool>> Condition)> FindConditions()
    {
        foreach (var property in typeof(Moment).GetProperties().Where(p => p.Name != nameof(Moment.Id)))
        {
            var moment = Expression.Parameter(typeof(Moment), "m");
            var value = Expression.Property(moment, property);
            foreach (var use in FindUses(value))
            {
                if (MakeCondition(use) is { } condition)
                    yield return ($"{nameof(Moment)}.{property.Name}", use.ToString(), Expression.Lambda<Func<Moment, bool>>(condition, moment));
            }
        }
    }

    private static IEnumerable<Expression> FindUses(MemberExpression value)
    {
        foreach (var member in value.Type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.GetIndexParameters().Length == 0))
            yield return Expression.Property(value, member);
        foreach (var method in value.Type.GetMethods().Where(m
            => !m.IsGenericMethod && !m.IsSpecialName && m.ReturnType != typeof(void) && !m.ReturnType.IsByRef && !m.ReturnType.IsByRefLike
            && m.DeclaringType == value.Type))
        {
            var parameters = method.GetParameters().Select(p => p.ParameterType).ToList();
            var own = method.IsStatic ? parameters.IndexOf(value.Type) : -1;
            if ((method.IsStatic && own < 0) || parameters.Any(p => !Values.ContainsKey(p)))
                continue;
            yield return Expression.Call(
                method.IsStatic ? null : value, method, parameters.Select((p, i) => i == own ? (Expression)value : Expression.Constant(Values[p], p)));
        }
    }

    private static Expression? MakeCondition(Expression use)
    {
        try
        {
            return use.Type == typeof(bool) ? use
                : use.Type.IsValueType ? Expression.Equal(use, Expression.Constant(Activator.CreateInstance(use.Type), use.Type))
                : Expression.Equal(use, Expression.Constant(use.Type == typeof(string) ? "a" : null, use.Type));
        }
        catch (InvalidOperationException)
        {
            // Values of this type are not compared by '=='.
            return null;
        }
    }

    public sealed class Moment
    {
        public int Id { get; set; }

        [Encrypted]
        public DateTime At { get; set; }

        [Encrypted]
        public DateTimeOffset Instant { get; set; }

        [Encrypted]
        public DateOnly Date { get; set; }

        [Encrypted]
        public TimeOnly Time { get; set; }

        [Encrypted]
        public TimeSpan Span { get; set; }

        [Encrypted]
        public string Text { get; set; } = "";
    }

    public sealed class MomentsContext(DbContextOptions<MomentsContext> options) : DbContext(options)
    {
        public DbSet<Moment> Moments => Set<Moment>();
    }
}
