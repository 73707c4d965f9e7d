namespace EfEnvelope.Kms.Local.Access;

// Every text about principals, policies and grants, in three beats: what, whose, how to mend. Never a credential. What is said to the
// caller who is denied does not tell which rules exist.
internal static class LocalKmsAccessMessages
{
    public static string MalformedCredential()
        => "The credential for the embedded KMS is malformed. Give the text that 'CreatePrincipalAsync' or 'RotateCredentialAsync' returned.";

    public static string MalformedName(string? name)
        => $"'{name}' cannot be the name of a principal or policy. Use 1 to 100 letters, digits and '_', '-', '@', starting with a letter or digit.";

    public static string ReservedName()
        => "'root' is who holds the seal of the KMS, and cannot be made, changed or deleted. Choose another name.";

    // The same for a name that does not exist and for a secret that is wrong.
    public static string Unauthenticated(string file, string name)
        => $"The credential of '{name}' is not valid in the KMS '{file}'. Give the current one, or have it rotated.";

    public static string Disabled(string file, string name)
        => $"The principal '{name}' of the KMS '{file}' is disabled. Have it enabled if it may use the KMS again.";

    public static string Denied(string file, string principal, string operation, string? key)
        => $"'{principal}' may not do '{operation}'{(key is null ? "" : $" with the key '{key}'")} in the KMS '{file}': no rule allows "
            + $"it. Have a policy or a grant made "
            + "that does"
            + (principal == PrincipalName.Root ? ", or call with the credential of a principal that may: access is enforced, so the "
                + "seal alone is not enough." : ".");

    public static string NoPrincipal(string file, string name)
        => $"The KMS '{file}' contains no principal '{name}'. Correct the name, or create it with "
            + $"'Access.CreatePrincipalAsync(\"{name}\")' or 'efenvelope kms principals create {name}'.";

    public static string PrincipalExists(string file, string name)
        => $"There is a principal '{name}' in the KMS '{file}' already. Rotate its credential, or choose another name.";

    public static string NoPolicy(string file, string name)
        => $"There is no policy '{name}' in the KMS '{file}'. Correct the name.";

    public static string MalformedPolicy(string name, string fault)
        => $"The policy '{name}' is refused: {fault}. Correct the document; nothing was changed.";

    public static string NoGrant(string file, string grantId)
        => $"There is no grant '{grantId}' in the KMS '{file}'. List the grants; it may have been revoked already.";

    public static string GrantWithoutOperations(string principal)
        => $"The grant for '{principal}' names no operation of a key. Name at least one, such as 'Wrap'.";

    public static string GrantExpired(string principal)
        => $"The grant for '{principal}' would have expired already. Give a time to come, or none.";

    public static string OverlapLength()
        => "A former credential can be accepted for 0 to 3,650 days more. Give zero, or how long its users need to change over.";

    public static string RuleDamaged(string file, string what)
        => $"{what} in the KMS '{file}' was altered by a hand without its seal, and is refused. Restore the KMS from a backup, or put it anew.";

    public static string StateDamaged(string file)
        => $"What says whether access is enforced, and which policies there are, was altered in the KMS '{file}' by a hand without its seal. "
            + "Restore the KMS from a backup.";
}
