namespace EfEnvelope.Kms.Local;

/// <summary>A principal of an embedded KMS, described. It holds no secret.</summary>
/// <param name="Name">The name, as policies and the audit trail call it.</param>
/// <param name="Disabled">Whether its credential is refused.</param>
/// <param name="Created">When it was made.</param>
/// <param name="FormerCredentialValidUntil">Until when its former credential is accepted too; <see langword="null" /> when it is not.</param>
public sealed record LocalKmsPrincipal(string Name, bool Disabled, DateTimeOffset Created, DateTimeOffset? FormerCredentialValidUntil);

/// <summary>A policy of an embedded KMS.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Document">The JSON document, as it was given.</param>
/// <param name="Changed">When it was last put.</param>
public sealed record LocalKmsPolicy(string Name, string Document, DateTimeOffset Changed);

/// <summary>A grant of an embedded KMS: one principal may do something with one key.</summary>
/// <param name="GrantId">Its id, 32 hexadecimal digits.</param>
/// <param name="Principal">The principal.</param>
/// <param name="Key">The name of the key.</param>
/// <param name="Operations">The operations, or beginnings of their names that end in a star.</param>
/// <param name="Context">The pairs that the encryption context must contain, or be.</param>
/// <param name="ContextExactly">Whether the encryption context must be these pairs and no other.</param>
/// <param name="Expires">Until when, not including; <see langword="null" />: until it is revoked.</param>
/// <param name="Created">When it was made.</param>
public sealed record LocalKmsGrant(
    string GrantId,
    string Principal,
    string Key,
    IReadOnlyList<string> Operations,
    EncryptionContext Context,
    bool ContextExactly,
    DateTimeOffset? Expires,
    DateTimeOffset Created);

/// <summary>Whether somebody may do something, and what says so.</summary>
/// <param name="Allowed">Whether it is allowed.</param>
/// <param name="Rule">
/// The rule that decides: <c>policy name, statement 2</c>, <c>grant id</c>, <c>root</c> for who holds the seal, or <c>default</c> when no
/// rule allows it.
/// </param>
public sealed record LocalKmsDecision(bool Allowed, string Rule);
