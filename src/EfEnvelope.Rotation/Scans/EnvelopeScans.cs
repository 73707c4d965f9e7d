using EfEnvelope.Keys;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Scans;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation;

/// <summary>Looks at what is stored. Nothing here writes.</summary>
public sealed class EnvelopeScans
{
    private readonly DatabaseSource _source;
    private readonly KeyAdministration _keys;

    internal EnvelopeScans(DatabaseSource source, KeyAdministration keys) => (_source, _keys) = (source, keys);

    /// <summary>Counts values by key version, in every column of the encryption map, by the headers, in SQL. Reads every row; needs no key.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>One entry for each column.</returns>
    /// <exception cref="EnvelopeConfigurationException">The map has a table or a column that the database has not.</exception>
    /// <exception cref="KeyUnavailableException">The database cannot be reached.</exception>
    /// <exception cref="OperationRefusedException">The database refused a command.</exception>
    public Task<IReadOnlyList<ColumnStatus>> GetStatusAsync(CancellationToken cancellationToken = default)
        => _source.UseAsync<IReadOnlyList<ColumnStatus>>(
            async session =>
            {
                var statuses = new List<ColumnStatus>();
                foreach (var column in (await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false)).Columns)
                    statuses.Add(await HeaderScan.CountAllAsync(session, column, cancellationToken).ConfigureAwait(false));
                return statuses;
            },
            cancellationToken);

    /// <summary>Opens every value and computes every blind index anew.</summary>
    /// <param name="scope">The key scope, or <see langword="null" /> for the only one.</param>
    /// <param name="table">A table, with its schema if it has one, or <see langword="null" /> for all.</param>
    /// <param name="progress">Is told how many rows were read.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found.</returns>
    /// <exception cref="EnvelopeConfigurationException">The scope is not known or must be named, or the map has no such table, or one that the database has not.</exception>
    /// <exception cref="KeyUnavailableException">The database or the KMS cannot be reached.</exception>
    /// <exception cref="OperationRefusedException">The database refused a command.</exception>
    public async Task<VerifyReport> VerifyAsync(
        string? scope = null, string? table = null, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        var map = await _source.UseAsync(session => MapStore.ReadAsync(session, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (map is { Columns.Count: 0, Malformed.Count: 0 })
            throw new EnvelopeConfigurationException(ScanMessages.MapIsEmpty());
        var tables = map.Columns.GroupBy(c => c.TableName).Where(t => table is null || t.Key == table).ToList();
        if (tables.Count == 0 && map.Malformed.Count == 0)
            throw new EnvelopeConfigurationException(ScanMessages.TableNotInMap(table!, map.Columns.Select(c => c.TableName).Distinct()));
        var keys = await _keys.ResolveScopeAsync(scope, cancellationToken).ConfigureAwait(false);
        var isOnlyScope = (await _keys.GetScopesAsync(cancellationToken).ConfigureAwait(false)).Count == 1;
        return await _source.UseAsync(
            async session =>
            {
                var ring = new VerifyRing(_source, session, keys, isOnlyScope);
                await ring.LoadAsync(cancellationToken).ConfigureAwait(false);
                var tally = new VerifyTally(progress);
                foreach (var row in map.Malformed)
                    tally.Fail(row.Table, [row.Key], "", row.Reason);
                foreach (var columns in tables)
                    await VerifyAsync(session, [.. columns], ring, tally, cancellationToken).ConfigureAwait(false);
                return tally.ToReport();
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Looks for what is wrong or will become so: columns, indexes, rows outside the format, keys and budgets.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found, the gravest first; empty when all is well.</returns>
    /// <exception cref="KeyUnavailableException">The database cannot be reached.</exception>
    /// <exception cref="OperationRefusedException">The database refused a command.</exception>
    public Task<IReadOnlyList<Diagnosis>> DiagnoseAsync(CancellationToken cancellationToken = default)
        => _source.UseAsync(session => new Doctor(_source, _keys).RunAsync(session, cancellationToken), cancellationToken);

    /// <summary>Looks for columns that are not encrypted, and whose name or content looks like personal data. It reads some values of each; none is shown.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>One notice for each column. It is a suggestion: most personal data looks like anything else.</returns>
    /// <exception cref="KeyUnavailableException">The database cannot be reached.</exception>
    /// <exception cref="OperationRefusedException">The database refused a command.</exception>
    public Task<IReadOnlyList<Diagnosis>> SuggestAsync(CancellationToken cancellationToken = default)
        => _source.UseAsync(
            async session => await PersonalColumns.FindAsync(session, await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false),
            cancellationToken);

    /// <summary>Lists the rows of EfEnvelope's own tables (jobs, encryption map, key store) that cannot be read. No KMS is asked.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The rows; empty when all is well.</returns>
    /// <exception cref="KeyUnavailableException">The database cannot be reached.</exception>
    /// <exception cref="OperationRefusedException">The database refused a command.</exception>
    public Task<IReadOnlyList<MalformedRow>> FindMalformedRowsAsync(CancellationToken cancellationToken = default)
        => _source.UseAsync<IReadOnlyList<MalformedRow>>(
            async session =>
            {
                var jobs = new JobStore(session);
                var ofJobs = await jobs.ExistsAsync(cancellationToken).ConfigureAwait(false)
                    ? (await jobs.ListAsync(null, includeEnded: true, cancellationToken).ConfigureAwait(false)).Malformed
                    : [];
                var ofMap = (await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false)).Malformed;
                return [.. await KeyRowCheck.FindAsync(session, cancellationToken).ConfigureAwait(false), .. ofMap, .. ofJobs];
            },
            cancellationToken);

    /// <summary>Explains one envelope without any key.</summary>
    /// <param name="value">The stored value, whatever it is; nothing is thrown: <c>efenvelope:v1:…</c>, hexadecimal (with or without <c>0x</c> or <c>\x</c>), or Base64.</param>
    /// <returns>What can be read off it.</returns>
    public static EnvelopeDescription Inspect(string value) => EnvelopeInspection.Describe(value);

    private static async Task VerifyAsync(
        Session session, IReadOnlyList<MapColumn> columns, VerifyRing ring, VerifyTally tally, CancellationToken cancellationToken)
    {
        var first = columns[0];
        var table = await session.Dialect.FindTableAsync(session, first.Schema, first.Table, cancellationToken).ConfigureAwait(false)
            ?? throw new EnvelopeConfigurationException(RotationMessages.TableMissing(first.TableName));
        if (table.Key.Count == 0)
            tally.Fail(table.DisplayName, [], "", ScanMessages.NoPrimaryKey(table.DisplayName));
        else
            await new TableVerification(session, table, columns, ring, tally).RunAsync(cancellationToken).ConfigureAwait(false);
    }
}
