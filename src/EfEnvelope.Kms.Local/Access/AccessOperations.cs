namespace EfEnvelope.Kms.Local.Access;

/// <summary>The operations as rules name them.</summary>
internal static class AccessOperations
{
    private static readonly string[] Names = Enum.GetNames<LocalKmsOperation>();

    /// <summary>Whether who holds the seal may do it even when access is enforced: what keeps the KMS, but uses no key.</summary>
    public static bool IsManagement(LocalKmsOperation operation) => operation
        is LocalKmsOperation.ManageAccess or LocalKmsOperation.ReadAudit or LocalKmsOperation.ManageSeals or LocalKmsOperation.Backup
        or LocalKmsOperation.Restore;

    /// <summary>Whether a name, or a beginning of names that ends in a star, covers any operation: so that no rule is misspelt.</summary>
    public static bool Covers(string pattern) => Patterns.IsValid(pattern) && Names.Any(n => Matches(pattern, n));

    public static bool Matches(IReadOnlyList<string> patterns, LocalKmsOperation operation) => patterns.Any(p => Matches(p, operation.ToString()));

    private static bool Matches(string pattern, string name) => Patterns.Matches(pattern, name, StringComparison.OrdinalIgnoreCase);
}
