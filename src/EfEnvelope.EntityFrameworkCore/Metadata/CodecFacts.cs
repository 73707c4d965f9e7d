using System.Reflection;
using EfEnvelope.Envelopes;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>Asks the codec of a type that is only known at run time.</summary>
internal static class CodecFacts
{
    private static readonly MethodInfo DescribeMethod = typeof(CodecFacts).GetMethod(nameof(Describe), BindingFlags.NonPublic | BindingFlags.Static)!;

    private static readonly MethodInfo ReadsBackMethod
        = typeof(CodecFacts).GetMethods(BindingFlags.NonPublic | BindingFlags.Static).Single(m => m is { Name: nameof(ReadsBack), IsGenericMethodDefinition: true });

    public static string TypeName(Type type) => Ask(type, 0).Name;

    /// <summary>Returns the most bytes that a plaintext can need, or <see langword="null" /> when that is unbounded.</summary>
    public static int? MaxLength(Type type, int? units) => Ask(type, units).MaxLength;

    /// <summary>Whether values that are equal in .NET have equal bytes, so that their envelopes can be compared: 1.5 and 1.50 have not, nor have two zeros.</summary>
    public static bool EqualValuesHaveEqualBytes(string type) => type is not ("decimal" or "float32" or "float64" or "datetime" or "datetimeoffset" or "json");

    /// <summary>Whether a collection of this type can be made of what it was stored as.</summary>
    public static bool ReadsBack(Type type) => (bool)ReadsBackMethod.MakeGenericMethod(type).Invoke(null, null)!;

    private static bool ReadsBack<T>()
    {
        try
        {
            return PlaintextCodec<T>.Default.Read("[]"u8, FieldContext.Get("", PlaintextCodec<T>.Default.Type)) is not null;
        }
        catch (Exception e) when (e is NotSupportedException or InvalidOperationException or EnvelopeException)
        {
            return false;
        }
    }

    private static (string Name, int? MaxLength) Ask(Type type, int? units)
        => ((string, int?))DescribeMethod.MakeGenericMethod(type).Invoke(null, [units])!;

    private static (string Name, int? MaxLength) Describe<T>(int? units)
    {
        var codec = PlaintextCodec<T>.Default;
        return (codec.Type, codec.FixedLength ?? (units is > 0 ? codec.MaxLength(units.Value) : null));
    }
}
