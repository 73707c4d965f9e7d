using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Looks through map, tables, keys and jobs, and tells what is wrong, the gravest first.</summary>
internal sealed class Doctor(DatabaseSource source, KeyAdministration keys)
{
    public async Task<IReadOnlyList<Diagnosis>> RunAsync(Session session, CancellationToken cancellationToken)
    {
        var found = new List<Diagnosis>();
        var jobs = new JobStore(session);
        found.AddRange((await KeyRowCheck.FindAsync(session, cancellationToken).ConfigureAwait(false)).Select(DoctorMessages.RowMalformed));
        if (await session.Dialect.FindFaultAsync(session, cancellationToken).ConfigureAwait(false) is { } fault)
            found.Add(DoctorMessages.DatabaseUnsupported(session.Connection.Database, fault));
        found.AddRange(await NameChecks.FindAsync(session, cancellationToken).ConfigureAwait(false));
        var scopes = await ReadKeysAsync(cancellationToken).ConfigureAwait(false);
        var checks = new KeyChecks(source, scopes, await jobs.ReadTimeAsync(cancellationToken).ConfigureAwait(false));
        found.AddRange(checks.CheckVersions());
        found.AddRange(await checks.CheckKmsAsync(session, cancellationToken).ConfigureAwait(false));
        if (scopes.Count > 0)
            found.AddRange(await new KekChecks(source, keys).RunAsync(session, found, cancellationToken).ConfigureAwait(false));
        await CheckMapAsync(session, checks, found, cancellationToken).ConfigureAwait(false);
        if (await jobs.ExistsAsync(cancellationToken).ConfigureAwait(false))
        {
            var (read, malformed) = await jobs.ListAsync(null, includeEnded: true, cancellationToken).ConfigureAwait(false);
            found.AddRange(CheckJobs(read));
            found.AddRange(malformed.Select(DoctorMessages.RowMalformed));
        }

        return [.. found.OrderByDescending(d => d.Severity).ThenBy(d => d.Code, StringComparer.Ordinal).ThenBy(d => d.Subject, StringComparer.Ordinal)];
    }

    private async Task<IReadOnlyDictionary<KeyScope, IReadOnlyList<KeyVersionInfo>>> ReadKeysAsync(CancellationToken cancellationToken)
    {
        var scopes = new Dictionary<KeyScope, IReadOnlyList<KeyVersionInfo>>();
        foreach (var scope in await keys.GetScopesAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                scopes.Add(scope, await keys.ListAsync(scope, cancellationToken).ConfigureAwait(false));
            }
            catch (EnvelopeDecryptionException)
            {
                // One of its rows cannot be read, which is reported by itself.
            }
        }

        return scopes;
    }

    private static async Task CheckMapAsync(Session session, KeyChecks checks, List<Diagnosis> found, CancellationToken cancellationToken)
    {
        if (!await MapStore.ExistsAsync(session, EnvelopeTables.Map, cancellationToken).ConfigureAwait(false))
        {
            found.Add(DoctorMessages.MapMissing());
            return;
        }

        var map = await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false);
        found.AddRange(map.Malformed.Select(DoctorMessages.RowMalformed));
        if (map is { Columns.Count: 0, Malformed.Count: 0 })
            found.Add(DoctorMessages.MapEmpty());
        var statuses = new List<ColumnStatus>();
        foreach (var columns in map.Columns.GroupBy(c => (c.Schema, c.Table)))
        {
            if (await session.Dialect.FindTableAsync(session, columns.Key.Schema, columns.Key.Table, cancellationToken).ConfigureAwait(false) is not { } table)
            {
                found.Add(DoctorMessages.TableMissing(columns.First().TableName));
                continue;
            }

            var check = new ColumnChecks(session, table, [.. columns]);
            try
            {
                await check.RunAsync(checks.IsSearchRotating, cancellationToken).ConfigureAwait(false);
            }
            catch (DbException e) when (!session.Dialect.IsTransient(e))
            {
                found.Add(DoctorMessages.TableNotRead(table.DisplayName, session.Dialect.CodeOf(e)));
            }

            found.AddRange(check.Found);
            statuses.AddRange(check.Statuses);
        }

        var unmapped = await UnmappedColumns.FindAsync(session, map, cancellationToken).ConfigureAwait(false);
        found.AddRange(unmapped);
        found.AddRange(checks.CheckReferences(statuses));
        if (statuses.Count == map.Columns.Count && unmapped.Count == 0 && map.Malformed.Count == 0)
            found.AddRange(checks.CheckRetirable(statuses));
    }

    // A failure that a later job of its kind on the same table made good is history.
    private static IEnumerable<Diagnosis> CheckJobs(IReadOnlyList<JobInfo> jobs)
    {
        foreach (var job in jobs)
        {
            if (job.State == JobState.Paused)
                yield return DoctorMessages.JobPaused(job);
            else if (job.State == JobState.Failed && !jobs.Any(j => IsLater(j, job)))
                yield return DoctorMessages.JobFailed(job);
        }
    }

    private static bool IsLater(JobInfo job, JobInfo failed)
        => job.Id > failed.Id && job.State != JobState.Cancelled && job.Scope == failed.Scope
            && (job.Request.Kind, job.Request.Schema, job.Request.Table) == (failed.Request.Kind, failed.Request.Schema, failed.Request.Table);
}
