using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>Looks into a few rows of each encrypted column for a value that has a key, in a database that has none: the last trace of key rows that were lost.</summary>
internal static class KeyTraces
{
    // Few, so that a column that was just added to a large table, and is empty, is not read to its end.
    private const int Rows = 100;

    /// <summary>Finds a column that holds an envelope.</summary>
    /// <param name="model">The model that names the columns.</param>
    /// <param name="link">The database.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<string?> FindColumnAsync(IModel model, StoreLink link, CancellationToken cancellationToken)
    {
        foreach (var (table, column) in ColumnsOf(model))
        {
            var name = link.Quote(column);
            var rows = link.First($"{name} FROM {link.Table(table.Name, table.Schema)}", Rows);
            var values = await ReadAsync(link, table, column, link.First($"{name} FROM ({rows}) AS s WHERE {name} IS NOT NULL", 1), cancellationToken)
                .ConfigureAwait(false);
            if (values is [var value] && IsEnvelope(value))
                return $"{table.DisplayName()}.{column}";
        }

        return null;
    }

    private static IEnumerable<(StoreObjectIdentifier Table, string Column)> ColumnsOf(IModel model)
        => model.GetEntityTypes().SelectMany(t => t.GetFlattenedDeclaredProperties())
            .Where(p => EnvelopeConverters.TryFindField(p.GetTypeMapping().Converter, out _))
            .SelectMany(EncryptedColumn.FindColumns).Distinct();

    // Only a column that is not there yet has no value. Whatever else keeps it from being read, a lock or a missing right, may hide one.
    private static async Task<List<object>> ReadAsync(StoreLink link, StoreObjectIdentifier table, string column, string query, CancellationToken cancellationToken)
    {
        try
        {
            return await link.ReadAsync(query, [], static r => r.GetValue(0), cancellationToken).ConfigureAwait(false);
        }
        catch (DbException)
        {
            if (await link.HasColumnAsync(table.Name, table.Schema, column, cancellationToken).ConfigureAwait(false))
                throw;
            return [];
        }
    }

    private static bool IsEnvelope(object? value)
        => value switch
        {
            byte[] bytes => EnvelopeHeader.TryRead(bytes, out _),
            string text => text.StartsWith(TextEnvelope.Prefix, StringComparison.Ordinal),
            _ => false,
        };
}
