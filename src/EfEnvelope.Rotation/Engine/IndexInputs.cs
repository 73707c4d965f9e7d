using System.Reflection;
using EfEnvelope.BlindIndexes;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Turns canonical plaintext bytes, whose type is known by name only, into what a blind index hashes.</summary>
internal static class IndexInputs
{
    private static readonly MethodInfo Method = typeof(IndexInputs).GetMethod(nameof(Convert), BindingFlags.NonPublic | BindingFlags.Static)!;

    private static readonly Dictionary<string, Func<byte[], BlindIndexPart, byte[]>> Known = new Type[]
    {
        typeof(string), typeof(byte[]), typeof(bool), typeof(sbyte), typeof(byte), typeof(short), typeof(ushort), typeof(int), typeof(uint), typeof(long), typeof(ulong), typeof(float),
        typeof(double), typeof(char), typeof(decimal), typeof(Guid), typeof(DateTime), typeof(DateTimeOffset), typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan),
    }.Select(type => (KeyValuePair<string, Func<byte[], BlindIndexPart, byte[]>>)Method.MakeGenericMethod(type).Invoke(null, null)!).ToDictionary();

    public static bool Knows(string type) => Known.ContainsKey(type);

    public static byte[] Get(BlindIndexPart part, byte[] plaintext) => Known[part.Type](plaintext, part);

    private static KeyValuePair<string, Func<byte[], BlindIndexPart, byte[]>> Convert<T>()
    {
        var codec = PlaintextCodec<T>.Default;
        return new(codec.Type, (plaintext, part) => BlindIndexInput.GetBytes(codec.Read(plaintext, FieldContext.Get(part.Field, codec.Type)), part));
    }
}
