using System.Linq.Expressions;
using System.Reflection;
using EfEnvelope.BlindIndexes;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>
/// Makes the stateless converters, and reads them back: their expressions hold a static method and primitive constants only, so a compiled
/// model prints them whole.
/// </summary>
internal static class EnvelopeConverters
{
    public static ValueConverter Create(Type type, EncryptedColumn column)
    {
        var value = Expression.Parameter(type, "v");
        var carrier = column.IsText ? typeof(TextEnvelope) : typeof(Envelope);
        var envelope = Expression.Parameter(carrier, "e");
        var field = Expression.Constant(column.Field);
        var from = Expression.Lambda(
            Expression.Call(
                FindFrom(carrier).MakeGenericMethod(type),
                [
                    value, field, Expression.Constant((int)column.Algorithm), Expression.Constant(column.IsUnique),
                    .. column.IsText ? [Expression.Constant(column.StoresPlaintext)] : Array.Empty<Expression>(),
                ]),
            value);
        var to = Expression.Lambda(
            column.IsText
                ? Expression.Call(carrier, nameof(TextEnvelope.To), null, envelope, field, Expression.Constant(column.AllowsPlaintext))
                : Expression.Call(carrier, nameof(Envelope.To), [type], envelope, field),
            envelope);
        return Make(type, carrier, from, to);
    }

    // The carrier's own: a lookup by name would find the one that it hides as well.
    public static MethodInfo FindFrom(Type carrier)
        => carrier.GetMethod(nameof(Envelope.From), BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)!;

    /// <summary>Finds which column a converter is for.</summary>
    public static bool TryFindField(ValueConverter? converter, out string field)
    {
        field = "";
        if (converter is null || !typeof(Envelope).IsAssignableFrom(converter.ProviderClrType))
            return false;
        var finder = new FromReplacer(null);
        finder.Visit(converter.ConvertToProviderExpression);
        field = finder.Field ?? "";
        return finder.Field is not null;
    }

    /// <summary>Whether a converter of the application may turn a value into null.</summary>
    public static bool MayMakeNull(ValueConverter converter)
    {
        var finder = new FromReplacer(null);
        finder.Visit(converter.ConvertToProviderExpression);
        return finder.Plaintext is not ParameterExpression;
    }

    /// <summary>Makes a converter for a parameter that is looked for under the version of a slot.</summary>
    public static ValueConverter ForSlot(ValueConverter column, KeyRole slot)
        => Change(column, body => Expression.Call(
            typeof(EnvelopeConverters), body.Type == typeof(TextEnvelope) ? nameof(ToTextSlot) : nameof(ToSlot), null, body, Expression.Constant(slot)));

    /// <summary>Makes a converter for a parameter that is looked for in clear text, in a text column that is being backfilled.</summary>
    public static ValueConverter ForPlaintext(ValueConverter column)
    {
        var from = column.ConvertToProviderExpression;
        var body = new FromReplacer(call => Expression.Call(typeof(TextEnvelope), nameof(TextEnvelope.OfPlaintext), null, call.Arguments[0])).Visit(from.Body);
        return Make(column.ModelClrType, column.ProviderClrType, Expression.Lambda(body, from.Parameters), column.ConvertFromProviderExpression);
    }

    /// <summary>Makes a converter for a value that goes into a blind index of one property, or is looked for in it.</summary>
    public static ValueConverter ForIndex(ValueConverter column, BlindIndex index, KeyRole role, bool searches)
    {
        var value = Expression.Parameter(column.ModelClrType, "v");
        var envelope = Expression.Parameter(typeof(Envelope), "e");
        return Make(
            column.ModelClrType,
            typeof(Envelope),
            Expression.Lambda(
                Expression.Call(
                    typeof(EnvelopeConverters), nameof(ToIndex), null,
                    Expression.Constant(index), Expression.Convert(value, typeof(object)), Expression.Constant(role), Expression.Constant(searches)),
                value),
            Expression.Lambda(Expression.Default(column.ModelClrType), envelope));
    }

    /// <summary>Makes what turns a value of a property into the bytes that go into a blind index.</summary>
    public static Func<object, byte[]> ToIndexInput(ValueConverter column, BlindIndexPart part, bool searches)
    {
        var from = column.ConvertToProviderExpression;
        var value = Expression.Parameter(typeof(object), "v");
        var method = searches ? nameof(BlindIndexInput.GetSearchBytes) : nameof(BlindIndexInput.GetBytes);
        var body = new FromReplacer(
            call => Expression.Call(typeof(BlindIndexInput), method, [call.Method.GetGenericArguments()[0]], call.Arguments[0], Expression.Constant(part)));
        var typed = Expression.Lambda(body.Visit(from.Body), from.Parameters);
        return Expression.Lambda<Func<object, byte[]>>(Expression.Invoke(typed, Expression.Convert(value, column.ModelClrType)), value).Compile();
    }

    private static ValueConverter Change(ValueConverter column, Func<Expression, Expression> change)
    {
        var from = column.ConvertToProviderExpression;
        return Make(
            column.ModelClrType, column.ProviderClrType, Expression.Lambda(change(from.Body), from.Parameters), column.ConvertFromProviderExpression);
    }

    private static ValueConverter Make(Type model, Type provider, LambdaExpression from, LambdaExpression to)
        => (ValueConverter)Activator.CreateInstance(typeof(ValueConverter<,>).MakeGenericType(model, provider), from, to, null)!;

    private static Envelope? ToSlot(Envelope? envelope, KeyRole slot) => ((PendingEnvelope?)envelope)?.ForSlot(slot);

    private static TextEnvelope? ToTextSlot(TextEnvelope? envelope, KeyRole slot)
        => envelope is null ? null : TextEnvelope.Of(envelope.Pending!.ForSlot(slot));

    private static Envelope? ToIndex(BlindIndex index, object value, KeyRole role, bool searches)
        => index.Sources[0].IsStoredAsNull(value) ? null : new BlindIndexEnvelope(index, [value], role, searches);

    // A user's own converter, if there is one, stands around the one call that carries the plaintext.
    private sealed class FromReplacer(Func<MethodCallExpression, Expression>? replace) : ExpressionVisitor
    {
        public string? Field { get; private set; }

        /// <summary>Gets what is encrypted: the value itself, or what a converter makes of it.</summary>
        public Expression? Plaintext { get; private set; }

        protected override Expression VisitMethodCall(MethodCallExpression node)
        {
            if (!typeof(Envelope).IsAssignableFrom(node.Method.DeclaringType)
                || node.Method.Name != nameof(Envelope.From)
                || node.Arguments[1] is not ConstantExpression { Value: string field })
                return base.VisitMethodCall(node);
            (Field, Plaintext) = (field, node.Arguments[0]);
            return replace is null ? node : replace(node);
        }
    }
}
