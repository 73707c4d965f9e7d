using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

internal static class MapStore
{
    public static Task<EncryptionMap> ReadAsync(Session session, CancellationToken cancellationToken) => throw new NotImplementedException();
}
