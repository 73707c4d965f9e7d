using System.Diagnostics.CodeAnalysis;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>What a KEK may be called.</summary>
internal static class KekName
{
    public static void Validate([NotNull] string? name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!IsWellFormed(name))
            throw new ArgumentException(LocalKmsMessages.MalformedKeyName(name), nameof(name));
    }

    /// <summary>Reads the name from a KEK URI; fails when that belongs to another kind of KMS, or to none.</summary>
    public static bool TryGet(KekUri kek, [NotNullWhen(true)] out string? name)
    {
        name = kek != default && kek.Scheme == KekWrapping.Scheme ? kek.Key : null;
        return name is not null;
    }

    private static bool IsWellFormed(string name)
        => name.Length is > 0 and <= 200
            && char.IsAsciiLetterOrDigit(name[0])
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '/' or '-');
}
