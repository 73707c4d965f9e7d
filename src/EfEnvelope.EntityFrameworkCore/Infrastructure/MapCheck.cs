using System.Collections.Concurrent;
using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text.Json;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>
/// Compares the encryption map of a database with the model of a context, and refuses a model that writes an encrypted column in clear text, as a compiled
/// model does that is older than a mark. At the first command, and again when a ring was loaded since. The map lies in the database, so all that it can do
/// here is to refuse: a row that is missing or malformed allows nothing that the model does not allow.
/// </summary>
internal static class MapCheck
{
    private const int MaxKnown = 1000;

    private static readonly ConditionalWeakTable<IModel, ConcurrentDictionary<KeyStoreIdentity, (int Generation, long CheckedAt)>> Checked = [];
    private static int s_generation;

    /// <summary>Gets a number that changes when a migration has changed an encryption map.</summary>
    public static int Generation => Volatile.Read(ref s_generation);

    /// <summary>Makes every context look at the map again: a migration has changed one.</summary>
    public static void Forget() => Interlocked.Increment(ref s_generation);

    /// <summary>Compares, unless that has been done since the ring was loaded, or within the time for which a ring is fresh.</summary>
    /// <param name="context">The context that is about to run a command.</param>
    /// <param name="store">Its database.</param>
    /// <param name="ring">The ring that it uses, or <see langword="null" /> where it needs none.</param>
    /// <param name="command">The command, through whose connection the map is read.</param>
    /// <param name="synchronous">Whether a synchronous call waits.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="EnvelopeConfigurationException">The model writes an encrypted column in clear text.</exception>
    /// <exception cref="KeyUnavailableException">The map cannot be read.</exception>
    public static async ValueTask RequireAsync(
        DbContext context, KeyStoreConnection store, KeyRing? ring, DbCommand command, bool synchronous, CancellationToken cancellationToken)
    {
        var configuration = context.GetService<IDbContextOptions>().FindExtension<EnvelopeOptionsExtension>()!.Configuration;
        var time = configuration.TimeProvider;
        var identity = store.Identity;
        var known = Checked.GetOrCreateValue(context.Model);
        if (known.TryGetValue(identity, out var last) && last.Generation == Generation
            && (ring is null || time.GetElapsedTime(last.CheckedAt) is var since && (since < ring.Age || since < configuration.Options.RefreshInterval)))
            return;
        var (generation, now) = (Generation, time.GetTimestamp());
        try
        {
            Judge(context.Model, await ReadAsync(context, store.Schema ?? context.Model.GetDefaultSchema(), command, synchronous, cancellationToken).ConfigureAwait(false));
        }
        catch (DbException e)
        {
            throw new KeyUnavailableException(EnvelopeMessages.KeyStoreFailed(EnvelopeTables.Map), e);
        }

        if (known.Count >= MaxKnown)
            known.Clear();
        known[identity] = (generation, now);
    }

    private static void Judge(IModel model, List<MapRow> rows)
    {
        var encrypted = EnvelopeModel.Of(model);
        var faults = rows
            .Where(r => r.Mode != "blindindex" && !AllowsPlaintext(r.Definition))
            .SelectMany(
                r => model.GetRelationalModel().Tables
                    .Where(t => IsSame(t.Name, r.Table) && IsSame(t.Schema ?? "", r.Schema))
                    .SelectMany(t => t.Columns)
                    .Where(c => IsSame(c.Name, r.Column)))
            .Distinct()
            .SelectMany(c => FindClear(c, encrypted).Select(name => EnvelopeMessages.WritesClearText(name, $"{c.Table.Name}.{c.Name}")))
            .ToList();
        if (faults.Count > 0)
            throw new EnvelopeConfigurationException(string.Join(Environment.NewLine, faults));
    }

    // A column without properties holds a JSON document. What has no key is read only.
    private static IEnumerable<string> FindClear(IColumn column, EnvelopeModel encrypted)
        => column.PropertyMappings.Count == 0
            ? [$"{column.Table.Name}.{column.Name}"]
            : column.PropertyMappings.Select(m => m.Property)
                .Where(p => encrypted.Find(p) is null && p[EnvelopeAnnotations.Next] is null && p.DeclaringType.ContainingEntityType.FindPrimaryKey() is not null)
                .Select(EnvelopeRules.NameOf);

    // Databases differ in whether the case of a name matters; a column too many refused is better than one in clear text.
    private static bool IsSame(string name, string other) => string.Equals(name, other, StringComparison.OrdinalIgnoreCase);

    private static bool AllowsPlaintext(string? definition)
    {
        if (definition is null)
            return false;
        try
        {
            using var json = JsonDocument.Parse(definition);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("allowsPlaintext", out var allows) && allows.ValueKind == JsonValueKind.True;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static async ValueTask<List<MapRow>> ReadAsync(DbContext context, string? schema, DbCommand command, bool synchronous, CancellationToken cancellationToken)
    {
        var (connection, transaction) = (command.Connection!, command.Transaction);
        if (!await StoreQuery.ExistsAsync(context, connection, transaction, EnvelopeTables.Map, schema, synchronous, cancellationToken).ConfigureAwait(false))
            return [];
        var rows = await StoreQuery.ReadAsync(connection, transaction, StoreQuery.SqlOf(context).ReadMap(schema), synchronous, cancellationToken).ConfigureAwait(false);
        return [.. rows.Select(MapRow.Of)];
    }
}
