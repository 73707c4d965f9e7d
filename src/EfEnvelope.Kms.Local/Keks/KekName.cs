using System.Diagnostics.CodeAnalysis;
using EfEnvelope.Kms.Local.Operations;

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

    /// <summary>The same for a key that is to be made, which must not be called like an alias.</summary>
    public static void ValidateNew([NotNull] string? name)
    {
        Validate(name);
        if (name.StartsWith(KeyLookup.AliasPrefix, StringComparison.Ordinal))
            throw new ArgumentException(LocalKmsMessages.AliasAsName(name), nameof(name));
    }

    public static void ValidateAlias([NotNull] string? alias)
    {
        ArgumentNullException.ThrowIfNull(alias);
        if (!alias.StartsWith(KeyLookup.AliasPrefix, StringComparison.Ordinal) || alias.Length == KeyLookup.AliasPrefix.Length || !IsWellFormed(alias))
            throw new ArgumentException(LocalKmsMessages.MalformedAlias(alias), nameof(alias));
    }

    /// <summary>Reads the name from a KEK URI; fails when that belongs to another kind of KMS, or to none.</summary>
    public static bool TryGet(KekUri kek, [NotNullWhen(true)] out string? name)
    {
        name = kek != default && kek.Scheme == KekWrapping.Scheme ? kek.Key : null;
        return name is not null;
    }

    public static bool IsWellFormed(string name)
        => name.Length is > 0 and <= 200
            && char.IsAsciiLetterOrDigit(name[0])
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '/' or '-');
}
