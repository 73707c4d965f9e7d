using System.Buffers;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>How principals and policies may be called.</summary>
internal static class PrincipalName
{
    /// <summary>Who holds the seal and gives no credential.</summary>
    public const string Root = "root";

    public const int MaximumLength = 100;

    private static readonly SearchValues<char> Allowed = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-@");

    public static bool IsValid(string? name)
        => name is { Length: > 0 and <= MaximumLength } && char.IsAsciiLetterOrDigit(name[0]) && name.AsSpan().IndexOfAnyExcept(Allowed) < 0;

    public static void Validate(string? name)
    {
        if (!IsValid(name))
            throw new ArgumentException(LocalKmsAccessMessages.MalformedName(name), nameof(name));
    }
}
