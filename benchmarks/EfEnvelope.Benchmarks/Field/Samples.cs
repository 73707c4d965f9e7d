using System.Security.Cryptography;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.Field;

/// <summary>The values, keys and engines that all classes about one field share.</summary>
internal static class Samples
{
    public const string Column = "Patients.Ssn";

    /// <summary>Gets 24 bytes that name a column: what a program binds to each value when all columns share one key.</summary>
    public static byte[] AssociatedData { get; } = "Clinic/Patients.Ssn/text"u8.ToArray();

    /// <summary>Gets the lengths of the values, in bytes of UTF-8.</summary>
    public static IEnumerable<int> Sizes => Runs.IsShort ? [32] : [16, 32, 64, 200, 1024];

    public static GcmEngine Sodium { get; } = new EnvelopeOptionsBuilder().UseSodium().Options.Engine;

    public static string NewText(int bytes) => RandomNumberGenerator.GetHexString(bytes);

    public static DataKey NewKey(ReadOnlySpan<byte> key, GcmEngine engine)
        => new(new KeyVersion(new KeyScope("bench"), 1), key.ToArray(), engine);

    /// <summary>Throws unless a benchmark does what it says.</summary>
    public static void Require(bool holds, string what)
    {
        if (!holds)
            throw new InvalidOperationException($"This benchmark does not do what it says: {what}.");
    }
}
