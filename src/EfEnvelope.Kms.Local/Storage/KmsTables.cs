using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Audit;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>The tables of the KMS.</summary>
internal static class KmsTables
{
    public static KmsTable<MetaRow> Meta { get; } = new(
        "kms_meta",
        1,
        [
            KmsColumns<MetaRow>.Int("id", r => r.Id),
            KmsColumns<MetaRow>.Int("format_version", r => r.FormatVersion),
            KmsColumns<MetaRow>.Text("kms_id", 32, r => r.KmsId),
            KmsColumns<MetaRow>.Bytes("key_check", 32, r => r.KeyCheck),
            KmsColumns<MetaRow>.Long("revision", r => r.Revision),
            KmsColumns<MetaRow>.Time("created", r => r.Created),
        ],
        v => new MetaRow { Id = v.Int(0), FormatVersion = v.Int(1), KmsId = v.Text(2), KeyCheck = v.Bytes(3), Revision = v.Long(4), Created = v.Time(5) })
    {
        Revision = 4,
    };

    /// <summary>Gets what of <see cref="Meta" /> is read before anything else.</summary>
    public static KmsTable<KmsHeader> Header { get; } = new(
        "kms_meta",
        1,
        [
            KmsColumns<KmsHeader>.Int("id", _ => MetaRow.OnlyId),
            KmsColumns<KmsHeader>.Text("kms_id", 32, h => h.KmsId),
            KmsColumns<KmsHeader>.Int("format_version", h => h.Format),
            KmsColumns<KmsHeader>.Bytes("key_check", 32, h => h.KeyCheck),
        ],
        v => new KmsHeader(v.Text(1), v.Int(2), v.Bytes(3)));

    public static KmsTable<SealRow> Seals { get; } = new(
        "kms_seals",
        1,
        [
            KmsColumns<SealRow>.Text("seal_id", 32, r => r.SealId),
            KmsColumns<SealRow>.Text("kind", 50, r => r.Kind),
            KmsColumns<SealRow>.Text("parameters", 4000, r => r.Parameters),
            KmsColumns<SealRow>.Bytes("sealed_root_key", 4000, r => r.SealedRootKey),
            KmsColumns<SealRow>.Time("created", r => r.Created),
        ],
        v => new SealRow { SealId = v.Text(0), Kind = v.Text(1), Parameters = v.Text(2), SealedRootKey = v.Bytes(3), Created = v.Time(4) });

    public static KmsTable<KeyRow> Keys { get; } = new(
        "kms_keys",
        1,
        [
            KmsColumns<KeyRow>.Text("key_id", 32, r => r.KeyId),
            KmsColumns<KeyRow>.Text("name", 200, r => r.Name),
            KmsColumns<KeyRow>.Text("purpose", 50, r => r.Purpose),
            KmsColumns<KeyRow>.Text("algorithm", 50, r => r.Algorithm),
            KmsColumns<KeyRow>.Text("state", 50, r => r.State),
            KmsColumns<KeyRow>.Int("primary_version", r => r.PrimaryVersion),
            KmsColumns<KeyRow>.Text("origin", 50, r => r.Origin),
            KmsColumns<KeyRow>.Text("description", 1000, r => r.Description),
            KmsColumns<KeyRow>.Long("rotation_period", r => r.RotationPeriod, nullable: true),
            KmsColumns<KeyRow>.Time("next_rotation", r => r.NextRotation, nullable: true),
            KmsColumns<KeyRow>.Time("deletion_at", r => r.DeletionAt, nullable: true),
            KmsColumns<KeyRow>.Bytes("aliases", 32, r => r.Aliases, nullable: true),
            KmsColumns<KeyRow>.Long("revision", r => r.Revision),
            KmsColumns<KeyRow>.Time("created", r => r.Created),
            KmsColumns<KeyRow>.Bytes("mac", 32, r => r.Mac),
        ],
        v => new KeyRow
        {
            KeyId = v.Text(0),
            Name = v.Text(1),
            Purpose = v.Text(2),
            Algorithm = v.Text(3),
            State = v.Text(4),
            PrimaryVersion = v.Int(5),
            Origin = v.Text(6),
            Description = v.Text(7),
            RotationPeriod = v.LongOrNull(8),
            NextRotation = v.TimeOrNull(9),
            DeletionAt = v.TimeOrNull(10),
            Aliases = v.BytesOrNull(11),
            Revision = v.Long(12),
            Created = v.Time(13),
            Mac = v.Bytes(14),
        })
    {
        Revision = 12,
        Index = "name",
        IsIndexUnique = true,
    };

    public static KmsTable<KeyVersionRow> KeyVersions { get; } = new(
        "kms_key_versions",
        2,
        [
            KmsColumns<KeyVersionRow>.Text("key_id", 32, r => r.KeyId),
            KmsColumns<KeyVersionRow>.Int("version", r => r.Version),
            KmsColumns<KeyVersionRow>.Text("state", 50, r => r.State),
            KmsColumns<KeyVersionRow>.Bytes("sealed_material", 4000, r => r.SealedMaterial),
            KmsColumns<KeyVersionRow>.Bytes("public_key", 1000, r => r.PublicKey, nullable: true),
            KmsColumns<KeyVersionRow>.Time("created", r => r.Created),
            KmsColumns<KeyVersionRow>.Bytes("mac", 32, r => r.Mac),
        ],
        v => new KeyVersionRow
        {
            KeyId = v.Text(0),
            Version = v.Int(1),
            State = v.Text(2),
            SealedMaterial = v.Bytes(3),
            PublicKey = v.BytesOrNull(4),
            Created = v.Time(5),
            Mac = v.Bytes(6),
        })
    {
        Parent = Keys,
    };

    public static KmsTable<AliasRow> Aliases { get; } = new(
        "kms_aliases",
        1,
        [
            KmsColumns<AliasRow>.Text("alias", 200, r => r.Alias),
            KmsColumns<AliasRow>.Text("key_id", 32, r => r.KeyId),
            KmsColumns<AliasRow>.Long("revision", r => r.Revision),
            KmsColumns<AliasRow>.Bytes("mac", 32, r => r.Mac),
        ],
        v => new AliasRow { Alias = v.Text(0), KeyId = v.Text(1), Revision = v.Long(2), Mac = v.Bytes(3) })
    {
        Parent = Keys,
        Revision = 2,
        Index = "key_id",
    };

    public static KmsTable<TagRow> Tags { get; } = new(
        "kms_tags",
        2,
        [
            KmsColumns<TagRow>.Text("key_id", 32, r => r.KeyId),
            KmsColumns<TagRow>.Text("name", 128, r => r.Name),
            KmsColumns<TagRow>.Text("value", 256, r => r.Value),
        ],
        v => new TagRow { KeyId = v.Text(0), Name = v.Text(1), Value = v.Text(2) })
    {
        Parent = Keys,
    };

    public static KmsTable<ImportRow> Imports { get; } = new(
        "kms_imports",
        1,
        [
            KmsColumns<ImportRow>.Text("token", 32, r => r.Token),
            KmsColumns<ImportRow>.Bytes("sealed_private_key", 4000, r => r.SealedPrivateKey),
            KmsColumns<ImportRow>.Time("expires", r => r.Expires),
        ],
        v => new ImportRow { Token = v.Text(0), SealedPrivateKey = v.Bytes(1), Expires = v.Time(2) });

    /// <summary>Gets all tables, each after those that its rows refer to.</summary>
    public static IReadOnlyList<KmsTable> All { get; } =
    [
        Meta, Seals, Keys, KeyVersions, Aliases, Tags, Imports,
        AccessTables.State, AccessTables.Principals, AccessTables.Policies, AccessTables.Grants,
        AuditTables.Events, AuditTables.Head, AuditTables.Checkpoints, AuditTables.Key,
    ];

    public static KmsTable Of(object row)
    {
        foreach (var table in All)
        {
            if (table.RowType == row.GetType())
                return table;
        }

        throw new ArgumentException($"'{row.GetType().Name}' is not a row of the KMS.", nameof(row));
    }
}
