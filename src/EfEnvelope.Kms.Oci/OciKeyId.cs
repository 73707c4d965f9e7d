using System.Text.RegularExpressions;

namespace EfEnvelope.Kms.Oci;

/// <summary>The OCID of a key, such as <c>ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.abthelj…</c>.</summary>
internal static partial class OciKeyId
{
    public const string Scheme = "oci-kms";

    public static KekUri Validate(string keyId)
        => keyId is not null && Pattern().IsMatch(keyId)
            ? new KekUri(Scheme, keyId)
            : throw new ArgumentException(OciMessages.MalformedKeyId(keyId), nameof(keyId));

    public static bool IsValid(KekUri kek) => kek.Scheme == Scheme && Pattern().IsMatch(kek.Key);

    [GeneratedRegex(@"\Aocid1\.key\.[a-z0-9-]{1,32}\.[a-z0-9-]{0,64}\.[A-Za-z0-9._-]{1,200}\z")]
    private static partial Regex Pattern();
}
