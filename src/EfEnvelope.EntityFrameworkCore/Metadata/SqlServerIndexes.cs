using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// How long the key of an index may be on SQL Server. The server makes an index whose keys may be longer, with a warning, and fails later,
/// on the first row that is too long.
/// </summary>
internal static class SqlServerIndexes
{
    private const int MaxKey = 1700;
    private const int MaxClusteredKey = 900;

    // What EF Core gives an indexed text or binary column without a length.
    private const int DefaultLength = 900;

    /// <summary>Finds how many bytes a property may take in the indexes that it is in; none where it is in none.</summary>
    public static int? FindLimit(IReadOnlyProperty property)
        => property.GetContainingIndexes().Select(i => (int?)LimitOf(i)).Min();

    /// <summary>Finds the indexes over several columns, one of them ours, whose keys may be too long.</summary>
    public static IEnumerable<string> FindFaults(IReadOnlyModel model)
    {
        foreach (var index in model.GetEntityTypes().SelectMany(t => t.GetDeclaredIndexes()).Where(i => i.Properties.Count > 1))
        {
            // A copy is as long as the index that it was made of.
            var properties = index.Properties;
            if (!properties.Any(IsOurs) || properties.Any(p => p[EnvelopeAnnotations.Next] is string))
                continue;
            var (length, limit) = (properties.Sum(LengthOf), LimitOf(index));
            if (length > limit)
            {
                var type = index.DeclaringEntityType.DisplayName();
                yield return EnvelopeMessages.IndexKeyTooLong(type, properties.Select(p => p.Name), length, limit);
            }
        }
    }

    private static int LimitOf(IReadOnlyIndex index) => index["SqlServer:Clustered"] is true ? MaxClusteredKey : MaxKey;

    private static bool IsOurs(IReadOnlyProperty property)
        => property[EnvelopeAnnotations.PlaintextType] is not null || property[EnvelopeAnnotations.BlindIndex] is not null;

    // Of a plain text without a length, no more is said than that it may be long.
    private static int LengthOf(IReadOnlyProperty property)
    {
        var (type, isOurs) = (ProviderType(property), IsOurs(property));
        var isText = isOurs ? property[EnvelopeAnnotations.Storage] is nameof(EncryptedStorage.Text) : type == typeof(string);
        if (isText || isOurs || type == typeof(byte[]))
            return (property.GetMaxLength() * (isText && property.IsUnicode() != false ? 2 : 1)) ?? (isOurs ? DefaultLength : 0);
        return type == typeof(Guid) ? 16
            : type == typeof(DateTimeOffset) ? 10
            : type == typeof(decimal) ? 17
            : Type.GetTypeCode(type) switch
            {
                TypeCode.Boolean or TypeCode.Byte => 1,
                TypeCode.Int16 or TypeCode.SByte => 2,
                TypeCode.Int32 or TypeCode.UInt16 or TypeCode.Single => 4,
                _ => 8,
            };
    }

    private static Type ProviderType(IReadOnlyProperty property)
    {
        var type = property.GetValueConverter()?.ProviderClrType ?? property.GetProviderClrType() ?? property.ClrType;
        return Nullable.GetUnderlyingType(type) ?? type;
    }
}
