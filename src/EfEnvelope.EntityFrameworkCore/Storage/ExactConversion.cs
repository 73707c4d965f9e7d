using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Conversions between numbers, characters and enumerations that lose nothing: each value has its own bytes, so equality must not round.</summary>
internal static class ExactConversion
{
    private static readonly Dictionary<Type, (int Bits, bool IsSigned)> Integers = new()
    {
        [typeof(sbyte)] = (8, true), [typeof(byte)] = (8, false), [typeof(short)] = (16, true), [typeof(ushort)] = (16, false), [typeof(char)] = (16, false),
        [typeof(int)] = (32, true), [typeof(uint)] = (32, false), [typeof(long)] = (64, true), [typeof(ulong)] = (64, false),
    };

    /// <summary>Whether a type is a number, a character or an enumeration.</summary>
    public static bool IsNumber(Type type)
        => type.IsEnum || Integers.ContainsKey(type) || type == typeof(float) || type == typeof(double) || type == typeof(decimal);

    /// <summary>Whether every value of a type has a value of its own in the other.</summary>
    public static bool IsLossless(Type from, Type to)
    {
        (from, to) = (Unwrap(from), Unwrap(to));
        if (from == to)
            return true;
        if (!Integers.TryGetValue(from, out var source))
            return from == typeof(float) && to == typeof(double);
        return Integers.TryGetValue(to, out var target)
            ? target.IsSigned ? target.Bits > source.Bits || (source.IsSigned && target.Bits == source.Bits) : !source.IsSigned && target.Bits >= source.Bits
            : to == typeof(decimal) || (to == typeof(double) && source.Bits <= 32) || (to == typeof(float) && source.Bits <= 16);
    }

    /// <summary>Finds the value of a type that equals a number.</summary>
    /// <returns>Whether there is one.</returns>
    public static bool TryConvert(object value, Type type, [NotNullWhen(true)] out object? converted)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsInstanceOfType(value))
        {
            converted = value;
            return true;
        }

        var target = Unwrap(type);
        converted = !IsNumber(value.GetType()) ? null
            : target == typeof(double) ? ToDouble(value)
            : target == typeof(float) ? ToDouble(value) is { } number && ((double)(float)number).Equals(number) ? (float)number : null
            : target == typeof(decimal) ? FindInteger(value) is { } whole ? (decimal)whole : null
            : FindInteger(value) is { } integer ? ToInteger(integer, target)
            : null;
        if (converted is not null && type.IsEnum)
            converted = Enum.ToObject(type, converted);
        return converted is not null;
    }

    private static object? ToInteger(Int128 value, Type type)
    {
        if (!Integers.TryGetValue(type, out var target))
            return null;
        var (least, bound) = target.IsSigned ? (-(Int128.One << (target.Bits - 1)), Int128.One << (target.Bits - 1)) : (Int128.Zero, Int128.One << target.Bits);
        if (value < least || value >= bound)
            return null;
        return type == typeof(char) ? (char)value : type == typeof(ulong) ? (ulong)value : Convert.ChangeType((long)value, type, CultureInfo.InvariantCulture);
    }

    private static object? ToDouble(object value)
        => value switch
        {
            float single => (double)single,
            double number => number,
            _ => FindInteger(value) is { } integer && (Int128)(double)integer == integer ? (double)integer : null,
        };

    private static Int128? FindInteger(object value)
        => value switch
        {
            Enum => FindInteger(Convert.ChangeType(value, Enum.GetUnderlyingType(value.GetType()), CultureInfo.InvariantCulture)),
            char character => character,
            ulong number => number,
            decimal number => decimal.IsInteger(number) ? (Int128)number : null,
            float or double => Convert.ToDouble(value, CultureInfo.InvariantCulture) is var number && double.IsInteger(number) && Math.Abs(number) < 1e30 ? (Int128)number : null,
            _ => Convert.ToInt64(value, CultureInfo.InvariantCulture),
        };

    private static Type Unwrap(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type.IsEnum ? Enum.GetUnderlyingType(type) : type;
    }
}
