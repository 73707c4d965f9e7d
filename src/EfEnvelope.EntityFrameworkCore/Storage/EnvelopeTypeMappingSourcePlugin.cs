using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Finds the provider's binary type for an envelope, through the provider's own mapping of <c>byte[]</c>.</summary>
internal sealed class EnvelopeTypeMappingSourcePlugin(IServiceProvider services) : IRelationalTypeMappingSourcePlugin
{
    public RelationalTypeMapping? FindMapping(in RelationalTypeMappingInfo mappingInfo)
    {
        if (mappingInfo.ClrType is null || !typeof(Envelope).IsAssignableFrom(mappingInfo.ClrType))
            return null;

        // Asked for late: the source itself is made with its plug-ins.
        var bytes = services.GetRequiredService<IRelationalTypeMappingSource>().FindMapping(
            typeof(byte[]), mappingInfo.StoreTypeName, keyOrIndex: mappingInfo.IsKeyOrIndex, size: mappingInfo.Size);
        return bytes is null ? null : new EnvelopeTypeMapping(bytes.StoreType, bytes.Size);
    }
}
