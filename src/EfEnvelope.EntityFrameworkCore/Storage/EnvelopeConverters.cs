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

    /// <summary>Finds the type whose canonical bytes a column encrypts, and whether a converter of the user's own makes it of the property's.</summary>
    public static (Type Plaintext, bool IsConverted) FindPlaintext(ValueConverter column)
    {
        var call = FindCall(column);
        return (call.Method.GetGenericArguments()[0], call.Arguments[0] != column.ConvertToProviderExpression.Parameters[0]);
    }

    /// <summary>Whether a converter of the application may turn a value into null.</summary>
    public static bool MayMakeNull(ValueConverter converter) => FindPlaintext(converter).IsConverted;

    /// <summary>Makes a converter for a parameter that is looked for, or stored, under the version of a role.</summary>
    public static ValueConverter ForSlot(ValueConverter column, KeyRole role)
        => Make(
            column,
            call => Expression.Call(
                typeof(EnvelopeConverters), call.Type == typeof(TextEnvelope) ? nameof(ToTextSlot) : nameof(ToSlot), null,
                call, Expression.Constant(role)),
            role);

    /// <summary>Makes a converter for a parameter that is looked for in clear text, in a text column that is being backfilled.</summary>
    public static ValueConverter ForPlaintext(ValueConverter column)
        => Make(
            column, call => Expression.Call(typeof(TextEnvelope), nameof(TextEnvelope.OfPlaintext), null, call.Arguments[0]), KeyRole.FirstSlot);

    /// <summary>Makes a converter for a parameter that is stored, whose type may be another one as long as nothing is lost.</summary>
    public static ValueConverter ForWrite(ValueConverter column) => Make(column, call => call, KeyRole.Primary);

    /// <summary>Makes a converter for a value that goes into a blind index of one property, or is looked for in it.</summary>
    public static ValueConverter ForIndex(ValueConverter column, BlindIndex index, KeyRole role, bool searches)
    {
        return ExactConverter.Create(
            ToHash(column.ModelClrType),
            FindPlaintext(column) is (var plaintext, true) ? ToHash(plaintext) : null,
            searches ? new NothingEnvelope(index.Name, role, EnvelopeAlgorithm.BlindIndex) : null,
            index.Sources[0].Field);

        LambdaExpression ToHash(Type type)
        {
            var value = Expression.Parameter(type, "v");
            return Expression.Lambda(
                Expression.Call(
                    typeof(EnvelopeConverters), nameof(ToIndex), null,
                    Expression.Constant(index), Expression.Convert(value, typeof(object)), Expression.Constant(role), Expression.Constant(searches)),
                value);
        }
    }

    /// <summary>Makes what turns a value of a property, or what its converter makes of it, into the bytes that go into a blind index.</summary>
    public static Func<object, byte[]> ToIndexInput(ValueConverter column, BlindIndexPart part, bool searches)
    {
        var method = searches ? nameof(BlindIndexInput.GetSearchBytes) : nameof(BlindIndexInput.GetBytes);
        var (ofValue, ofPlaintext) = Compose(
            column,
            call => Expression.Call(typeof(BlindIndexInput), method, [call.Method.GetGenericArguments()[0]], call.Arguments[0], Expression.Constant(part)));
        var fromValue = Compile(ofValue);
        if (ofPlaintext is null)
            return fromValue;
        var (fromPlaintext, model) = (Compile(ofPlaintext), column.ModelClrType);
        return value => model.IsInstanceOfType(value) ? fromValue(value) : fromPlaintext(value);

        static Func<object, byte[]> Compile(LambdaExpression typed)
        {
            var value = Expression.Parameter(typeof(object), "v");
            return Expression.Lambda<Func<object, byte[]>>(
                Expression.Invoke(typed, Expression.Convert(value, typed.Parameters[0].Type)), value).Compile();
        }
    }

    // What makes something of a value of the property, and of what the user's own converter would make of it, if there is one.
    private static (LambdaExpression OfValue, LambdaExpression? OfPlaintext) Compose(ValueConverter column, Func<MethodCallExpression, Expression> make)
    {
        var from = column.ConvertToProviderExpression;
        var ofValue = Expression.Lambda(new FromReplacer(make).Visit(from.Body), from.Parameters);
        var (type, isConverted) = FindPlaintext(column);
        if (!isConverted)
            return (ofValue, null);
        var plaintext = Expression.Parameter(type, "p");
        var call = FindCall(column);
        return (ofValue, Expression.Lambda(make(call.Update(call.Object, [plaintext, .. call.Arguments.Skip(1)])), plaintext));
    }

    private static ValueConverter Make(ValueConverter column, Func<MethodCallExpression, Expression> make, KeyRole role)
    {
        var (ofValue, ofPlaintext) = Compose(column, make);
        var field = TryFindField(column, out var found) ? found : "";
        return ExactConverter.Create(ofValue, ofPlaintext, role.Writes() ? null : FindNothing(column, field, role), field);
    }

    private static Envelope FindNothing(ValueConverter column, string field, KeyRole slot)
    {
        var nothing = new NothingEnvelope(field, slot, EnvelopeAlgorithm.Aes256Siv);
        return column.ProviderClrType == typeof(TextEnvelope) ? TextEnvelope.Of(nothing) : nothing;
    }

    private static MethodCallExpression FindCall(ValueConverter column)
    {
        var finder = new FromReplacer(null);
        finder.Visit(column.ConvertToProviderExpression);
        return finder.Call!;
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

        public MethodCallExpression? Call { get; private set; }

        protected override Expression VisitMethodCall(MethodCallExpression node)
        {
            if (!typeof(Envelope).IsAssignableFrom(node.Method.DeclaringType)
                || node.Method.Name != nameof(Envelope.From)
                || node.Arguments[1] is not ConstantExpression { Value: string field })
                return base.VisitMethodCall(node);
            (Field, Call) = (field, node);
            return replace is null ? node : replace(node);
        }
    }
}
