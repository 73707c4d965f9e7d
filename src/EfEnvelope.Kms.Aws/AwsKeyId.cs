using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace EfEnvelope.Kms.Aws;

/// <summary>How AWS names a key: an ARN, or what stands at its end: a key id, or <c>alias/</c> and a name.</summary>
internal sealed partial record AwsKeyId(string Text, string? ArnPrefix, string? Region, string? Alias, string? Id)
{
    public const string Scheme = "aws-kms";

    private const string MultiRegion = "mrk-";

    public KekUri Kek => new(Scheme, Text);

    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out AwsKeyId? id)
    {
        id = null;
        if (text is null || Pattern().Match(text) is not { Success: true } match)
            return false;
        id = new AwsKeyId(text, Of("arn"), Of("region"), Of("alias"), Of("id"));
        return true;

        string? Of(string group) => match.Groups[group] is { Success: true } found ? found.Value : null;
    }

    public static AwsKeyId Parse(string text, string parameter)
        => TryParse(text, out var id) ? id : throw new ArgumentException(AwsKmsMessages.MalformedKeyId(text), parameter);

    // An alias may point to another key tomorrow, so the key that it stood for when it wrapped is part of the recorded version, without region or
    // account: an alias of the same name is valid in each region.
    //
    //   version = key id '/' id of the key material, or the key id alone when the service does not tell the material
    //
    // It must never change: stored keys carry it.
    public static string VersionOf(string keyArn, string? material)
    {
        var id = keyArn[(keyArn.LastIndexOf('/') + 1)..];
        return string.IsNullOrEmpty(material) ? id : $"{id}/{material}";
    }

    /// <summary>Gets the name that opens a copy with this KEK and the given version.</summary>
    public string ForUnwrap(string? version, AwsKeyId own)
    {
        if (Alias is not null)
        {
            var id = version?.Split('/')[0];
            return id is null || !IdPattern().IsMatch(id) ? Text : ArnPrefix is null ? id : $"{ArnPrefix}key/{id}";
        }

        // Replicas of a multi-region key share their id and their material: what one wrapped, the one of the own region opens.
        return IsReplicaOf(own) ? own.Text : Text;
    }

    /// <summary>Gets whether both name the same multi-region key, in two regions.</summary>
    public bool IsReplicaOf(AwsKeyId other)
        => Id is not null && Id.StartsWith(MultiRegion, StringComparison.Ordinal) && Id == other.Id && Region != other.Region && AccountOf(this) == AccountOf(other);

    public override string ToString() => Text;

    private static string? AccountOf(AwsKeyId id) => id.ArnPrefix?.Split(':')[4];

    [GeneratedRegex(@"\A(?<arn>arn:aws[a-z0-9-]*:kms:(?<region>[a-z0-9-]+):[0-9]{12}:(?=(key|alias)/))?(alias/(?<alias>[A-Za-z0-9/_-]{1,250})|(?(arn)key/)(?<id>[A-Za-z0-9-]{1,128}))\z")]
    private static partial Regex Pattern();

    [GeneratedRegex(@"\A[A-Za-z0-9-]{1,128}\z")]
    private static partial Regex IdPattern();
}
