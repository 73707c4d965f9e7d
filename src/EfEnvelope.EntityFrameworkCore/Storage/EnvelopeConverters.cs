using System.Linq.Expressions;
using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>
/// Makes the stateless converters, and reads them back: their expressions hold a static method and primitive constants only, so a compiled
/// model prints them whole.
/// </summary>
internal static class EnvelopeConverters
{
    public static ValueConverter Create(Type type, string field, EnvelopeAlgorithm algorithm)
    {
        var value = Expression.Parameter(type, "v");
        var envelope = Expression.Parameter(typeof(Envelope), "e");
        var from = Expression.Lambda(
            Expression.Call(
                typeof(Envelope), nameof(Envelope.From), [type], value, Expression.Constant(field), Expression.Constant((int)algorithm)),
            value);
        var to = Expression.Lambda(
            Expression.Call(typeof(Envelope), nameof(Envelope.To), [type], envelope, Expression.Constant(field)), envelope);
        return (ValueConverter)Activator.CreateInstance(
            typeof(ValueConverter<,>).MakeGenericType(type, typeof(Envelope)), from, to, null)!;
    }

    /// <summary>Finds which column a converter is for.</summary>
    public static bool TryFindField(ValueConverter? converter, out string field)
    {
        field = "";
        if (converter?.ProviderClrType != typeof(Envelope))
            return false;
        var finder = new FieldFinder();
        finder.Visit(converter.ConvertToProviderExpression);
        field = finder.Field ?? "";
        return finder.Field is not null;
    }

    private sealed class FieldFinder : ExpressionVisitor
    {
        public string? Field { get; private set; }

        protected override Expression VisitMethodCall(MethodCallExpression node)
        {
            if (node.Method.DeclaringType == typeof(Envelope)
                && node.Method.Name == nameof(Envelope.From)
                && node.Arguments[1] is ConstantExpression { Value: string field })
                Field = field;
            return base.VisitMethodCall(node);
        }
    }
}
