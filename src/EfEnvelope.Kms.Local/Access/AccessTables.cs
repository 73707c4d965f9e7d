using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>The tables of access control.</summary>
internal static class AccessTables
{
    public static KmsTable<AccessStateRow> State { get; } = new(
        "kms_access",
        1,
        [
            KmsColumns<AccessStateRow>.Int("id", r => r.Id),
            KmsColumns<AccessStateRow>.Flag("enforced", r => r.Enforced),
            KmsColumns<AccessStateRow>.Long("revision", r => r.Revision),
            KmsColumns<AccessStateRow>.Bytes("policies", 32, r => r.Policies),
            KmsColumns<AccessStateRow>.Bytes("mac", 32, r => r.Mac),
        ],
        v => new AccessStateRow { Id = v.Int(0), Enforced = v.Flag(1), Revision = v.Long(2), Policies = v.Bytes(3), Mac = v.Bytes(4) })
    {
        Revision = 2,
    };

    public static KmsTable<PrincipalRow> Principals { get; } = new(
        "kms_principals",
        1,
        [
            KmsColumns<PrincipalRow>.Text("name", PrincipalName.MaximumLength, r => r.Name),
            KmsColumns<PrincipalRow>.Text("principal_id", 32, r => r.PrincipalId),
            KmsColumns<PrincipalRow>.Bytes("credential_hash", 32, r => r.CredentialHash),
            KmsColumns<PrincipalRow>.Bytes("former_hash", 32, r => r.FormerHash, nullable: true),
            KmsColumns<PrincipalRow>.Time("former_until", r => r.FormerUntil, nullable: true),
            KmsColumns<PrincipalRow>.Flag("disabled", r => r.Disabled),
            KmsColumns<PrincipalRow>.Time("created", r => r.Created),
            KmsColumns<PrincipalRow>.Long("revision", r => r.Revision),
            KmsColumns<PrincipalRow>.Bytes("mac", 32, r => r.Mac),
        ],
        v => new PrincipalRow
        {
            Name = v.Text(0),
            PrincipalId = v.Text(1),
            CredentialHash = v.Bytes(2),
            FormerHash = v.BytesOrNull(3),
            FormerUntil = v.TimeOrNull(4),
            Disabled = v.Flag(5),
            Created = v.Time(6),
            Revision = v.Long(7),
            Mac = v.Bytes(8),
        })
    {
        Revision = 7,
    };

    public static KmsTable<PolicyRow> Policies { get; } = new(
        "kms_policies",
        1,
        [
            KmsColumns<PolicyRow>.Text("name", PrincipalName.MaximumLength, r => r.Name),
            KmsColumns<PolicyRow>.Text("document", null, r => r.Document),
            KmsColumns<PolicyRow>.Time("changed", r => r.Changed),
            KmsColumns<PolicyRow>.Bytes("mac", 32, r => r.Mac),
        ],
        v => new PolicyRow { Name = v.Text(0), Document = v.Text(1), Changed = v.Time(2), Mac = v.Bytes(3) });

    public static KmsTable<GrantRow> Grants { get; } = new(
        "kms_grants",
        1,
        [
            KmsColumns<GrantRow>.Text("grant_id", 32, r => r.GrantId),
            KmsColumns<GrantRow>.Text("principal", PrincipalName.MaximumLength, r => r.Principal),
            KmsColumns<GrantRow>.Text("principal_id", 32, r => r.PrincipalId),
            KmsColumns<GrantRow>.Text("key_name", 200, r => r.KeyName),
            KmsColumns<GrantRow>.Text("operations", null, r => r.Operations),
            KmsColumns<GrantRow>.Text("context", null, r => r.Context),
            KmsColumns<GrantRow>.Flag("context_exactly", r => r.ContextExactly),
            KmsColumns<GrantRow>.Time("expires", r => r.Expires, nullable: true),
            KmsColumns<GrantRow>.Time("created", r => r.Created),
            KmsColumns<GrantRow>.Bytes("mac", 32, r => r.Mac),
        ],
        v => new GrantRow
        {
            GrantId = v.Text(0),
            Principal = v.Text(1),
            PrincipalId = v.Text(2),
            KeyName = v.Text(3),
            Operations = v.Text(4),
            Context = v.Text(5),
            ContextExactly = v.Flag(6),
            Expires = v.TimeOrNull(7),
            Created = v.Time(8),
            Mac = v.Bytes(9),
        })
    {
        Index = "principal_id",
    };
}
