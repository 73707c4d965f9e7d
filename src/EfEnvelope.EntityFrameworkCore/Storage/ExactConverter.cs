using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>
/// Converts the parameters of a query for an encrypted column. C# compares a short with an int, and a value object with a text, so a parameter may have
/// another type than the property: it becomes the value of the property's type that equals it. Where there is none, a search finds nothing.
/// </summary>
internal static class ExactConverter
{
    /// <summary>Makes a converter.</summary>
    /// <param name="ofValue">Converts a value of the property's type.</param>
    /// <param name="ofPlaintext">Converts what the user's own converter makes of a value; <see langword="null" /> where there is none.</param>
    /// <param name="nothing">What finds nothing; <see langword="null" /> for what is stored, where a value that does not fit is refused.</param>
    /// <param name="field">The stable name of the column.</param>
    public static ValueConverter Create(LambdaExpression ofValue, LambdaExpression? ofPlaintext, Envelope? nothing, string field)
    {
        var envelope = Expression.Parameter(ofValue.ReturnType, "e");
        return (ValueConverter)Activator.CreateInstance(
            typeof(Converter<,>).MakeGenericType(ofValue.Parameters[0].Type, ofValue.ReturnType),
            ofValue,
            Expression.Lambda(Expression.Default(ofValue.Parameters[0].Type), envelope),
            ofPlaintext,
            nothing,
            field)!;
    }

    /// <summary>Finds the value of a property that a parameter of another type equals, or what its own converter would make of it.</summary>
    /// <returns>The value, or <see langword="null" /> where the property has none.</returns>
    public static object? Fit(ValueConverter column, object value)
        => EnvelopeConverters.FindPlaintext(column) is (var plaintext, true) && plaintext.IsInstanceOfType(value) ? value
            : ExactConversion.TryConvert(value, column.ModelClrType, out var converted) ? converted
            : ExactConversion.IsNumber(value.GetType()) ? null
            : value;

    private sealed class Converter<TModel, TProvider>(
        Expression<Func<TModel, TProvider>> ofValue, Expression<Func<TProvider, TModel>> back, LambdaExpression? ofPlaintext, Envelope? nothing, string field)
        : ValueConverter<TModel, TProvider>(ofValue, back)
    {
        private readonly Type? _plaintext = ofPlaintext?.Parameters[0].Type;
        private readonly Lazy<Delegate?> _ofPlaintext = new(() => ofPlaintext?.Compile());

        public override Func<object?, object?> ConvertToProvider => Convert;

        private object? Convert(object? value)
            => value switch
            {
                null => null,
                TModel own => ConvertToProviderTyped(own),
                _ when _plaintext?.IsInstanceOfType(value) == true => _ofPlaintext.Value!.DynamicInvoke(value),
                _ when ExactConversion.TryConvert(value, typeof(TModel), out var converted) => ConvertToProviderTyped((TModel)converted),
                _ when !ExactConversion.IsNumber(value.GetType()) => base.ConvertToProvider(value),
                _ => nothing ?? throw new EnvelopeConfigurationException(EnvelopeMessages.DoesNotFit(field)),
            };
    }
}
