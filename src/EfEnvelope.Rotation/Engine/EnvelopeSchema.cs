using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Rotation.Sql;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Creates the key store and the encryption map in a database that no application's migration has brought them into.</summary>
internal static class EnvelopeSchema
{
    public static async Task EnsureAsync(Session session, CancellationToken cancellationToken)
    {
        var missing = new List<StoreTable>();
        foreach (var table in EnvelopeTables.All)
        {
            if (!await MapStore.ExistsAsync(session, table.Name, cancellationToken).ConfigureAwait(false))
                missing.Add(table);
        }

        if (missing.Count == 0)
            return;
        var context = session.Context;
        var sql = new EnvelopeTablesSql(
            context.GetService<ISqlGenerationHelper>(), context.GetService<IRelationalTypeMappingSource>(), context.Database.ProviderName);
        try
        {
            var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
            await using (transaction.ConfigureAwait(false))
            {
                foreach (var table in missing)
                    await session.ExecuteAsync(sql.Create(table, session.Schema), [], cancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (DbException)
        {
            // Somebody else created them at the same moment.
            foreach (var table in missing)
            {
                if (!await MapStore.ExistsAsync(session, table.Name, cancellationToken).ConfigureAwait(false))
                    throw;
            }
        }
    }
}
