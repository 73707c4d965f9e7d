using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Rotation.Sql;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Creates the key store and the encryption map in a database that no application's migration has brought them into.</summary>
internal static class EnvelopeSchema
{
    public static async Task EnsureAsync(Session session, CancellationToken cancellationToken)
    {
        var missing = new HashSet<string>();
        foreach (var table in new[] { EnvelopeTables.Keys, EnvelopeTables.Usage, EnvelopeTables.Map })
        {
            if (!await MapStore.ExistsAsync(session, table, cancellationToken).ConfigureAwait(false))
                missing.Add(table);
        }

        if (missing.Count == 0)
            return;
        var context = session.Context;
        var model = context.GetService<IDesignTimeModel>().Model;
        var operations = context.GetService<IMigrationsModelDiffer>().GetDifferences(null, model.GetRelationalModel())
            .Where(o => o is CreateTableOperation create && missing.Contains(create.Name)).ToList();
        try
        {
            var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
            await using (transaction.ConfigureAwait(false))
            {
                foreach (var command in context.GetService<IMigrationsSqlGenerator>().Generate(operations, model))
                    await session.ExecuteAsync(command.CommandText, [], cancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (DbException)
        {
            // Somebody else created them at the same moment.
            foreach (var table in missing)
            {
                if (!await MapStore.ExistsAsync(session, table, cancellationToken).ConfigureAwait(false))
                    throw;
            }
        }
    }
}
