using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>The MACs of the rows of access control, and the keyed hash of a credential.</summary>
internal sealed class AccessMacs(RootKey root, string kmsId)
{
    // Every column but the MAC, after the kind of row and the KMS. Times are UTC ticks. None of it may change: stored rows are bound to it.
    public byte[] Of(PrincipalRow row) => Mac(Start("principal").Add(row.Name).Add(row.PrincipalId).Add(row.CredentialHash).Add(Hex(row.FormerHash))
        .Add(row.FormerUntil?.UtcTicks).Add(Text(row.Disabled)).Add(row.Created.UtcTicks).Add(row.Revision));

    public byte[] Of(PolicyRow row) => Mac(Start("policy").Add(row.Name).Add(row.Document).Add(row.Changed.UtcTicks));

    public byte[] Of(GrantRow row) => Mac(Start("grant").Add(row.GrantId).Add(row.Principal).Add(row.PrincipalId).Add(row.KeyName).Add(row.Operations)
        .Add(row.Context).Add(Text(row.ContextExactly)).Add(row.Expires?.UtcTicks).Add(row.Created.UtcTicks));

    public byte[] Of(AccessStateRow row) => Mac(Start("state").Add(Text(row.Enforced)).Add(row.Revision).Add(row.Policies));

    public bool IsGenuine(PrincipalRow row) => Equal(Of(row), row.Mac);

    public bool IsGenuine(PolicyRow row) => Equal(Of(row), row.Mac);

    public bool IsGenuine(GrantRow row) => Equal(Of(row), row.Mac);

    public bool IsGenuine(AccessStateRow row) => Equal(Of(row), row.Mac);

    /// <summary>What the state row says of all policies together.</summary>
    public static byte[] Digest(IEnumerable<PolicyRow> policies)
    {
        var bytes = new CanonicalBytes();
        foreach (var policy in policies.OrderBy(p => p.Name, StringComparer.Ordinal))
            bytes.Add(policy.Name).Add(policy.Mac);
        return SHA256.HashData(bytes.Span);
    }

    // A credential is 256 random bits, so a fast keyed hash does: there is nothing to guess.
    public byte[] HashOf(LocalKmsCredential credential) => root.Mac(
        MacPurposes.Credential, new CanonicalBytes().Add(kmsId).Add(credential.Name).Add(credential.Secret).Span);

    public static bool Equal(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => CryptographicOperations.FixedTimeEquals(a, b);

    private static string? Hex(byte[]? bytes) => bytes is null ? null : Convert.ToHexStringLower(bytes);

    private static string Text(bool value) => value ? "yes" : "no";

    private CanonicalBytes Start(string kind) => new CanonicalBytes().Add("efenvelope-access-v1").Add(kind).Add(kmsId);

    private byte[] Mac(CanonicalBytes bytes) => root.Mac(MacPurposes.AccessRow, bytes.Span);
}
