using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Finds the provider's binary or text type for an envelope, through the provider's own mapping of <c>byte[]</c> or <c>string</c>.</summary>
internal sealed class EnvelopeTypeMappingSourcePlugin(IServiceProvider services) : IRelationalTypeMappingSourcePlugin
{
    public RelationalTypeMapping? FindMapping(in RelationalTypeMappingInfo mappingInfo)
    {
        if (mappingInfo.ClrType is null || !typeof(Envelope).IsAssignableFrom(mappingInfo.ClrType))
            return null;

        // Asked for late: the source itself is made with its plug-ins.
        var source = services.GetRequiredService<IRelationalTypeMappingSource>();
        if (mappingInfo.ClrType == typeof(TextEnvelope))
        {
            var text = source.FindMapping(
                typeof(string), mappingInfo.StoreTypeName, mappingInfo.IsKeyOrIndex, mappingInfo.IsUnicode, mappingInfo.Size);
            return text is null ? null : new TextEnvelopeTypeMapping(text.StoreType, text.Size, text.DbType, text.IsUnicode);
        }

        var bytes = source.FindMapping(
            typeof(byte[]), mappingInfo.StoreTypeName, keyOrIndex: mappingInfo.IsKeyOrIndex, size: mappingInfo.Size);
        return bytes is null ? null : new EnvelopeTypeMapping(bytes.StoreType, bytes.Size);
    }
}
