using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Looks for what is wrong with key versions, and with values under them.</summary>
/// <param name="source">The database.</param>
/// <param name="scopes">All scopes, and the versions of each.</param>
/// <param name="now">What the database's clock shows.</param>
internal sealed class KeyChecks(DatabaseSource source, IReadOnlyDictionary<KeyScope, IReadOnlyList<KeyVersionInfo>> scopes, DateTimeOffset now)
{
    private static readonly TimeSpan DefaultAge = TimeSpan.FromDays(90);

    public bool IsSearchRotating => scopes.Values.Any(versions => versions.Count(v => v.IsSearched) > 1);

    /// <summary>Judges the versions by themselves.</summary>
    public IEnumerable<Diagnosis> CheckVersions()
    {
        foreach (var (scope, versions) in scopes)
        {
            foreach (var version in versions.Where(v => v is { EncryptsFrom: null, Status: KeyVersionStatus.Enabled, RetiredAt: null }))
                yield return DoctorMessages.KeyNotProved(version.Version);
            if (versions.Where(v => v.IsSearched).Select(v => v.Version).ToList() is { Count: > 1 } searched)
                yield return DoctorMessages.SearchRotating(scope, searched);
            if (versions.FirstOrDefault(v => v.IsPrimary) is not { } primary)
            {
                // A scope that was shredded is meant to be without.
                if (versions.Any(v => v.EncryptsFrom is not null && v.Status != KeyVersionStatus.Destroyed))
                    yield return DoctorMessages.KeyNoPrimary(scope);
                continue;
            }

            // A version that waits for its time is the cure.
            if (versions.Any(v => v.Version.Number > primary.Version.Number && v.EncryptsFrom is not null && v.Status == KeyVersionStatus.Enabled))
                continue;
            var limit = source.Options.RotateAfter ?? DefaultAge;
            if (now - primary.CreatedAt >= limit)
                yield return DoctorMessages.KeyOverAge(primary.Version, now - primary.CreatedAt, limit);
            if (primary.Reserved > 1L << 31)
                yield return DoctorMessages.KeyBudgetLow(primary.Version, primary.Reserved);
            else if (primary.Reserved > source.Options.RotateAfterValues)
                yield return DoctorMessages.KeyBudgetOver(primary.Version, primary.Reserved, source.Options.RotateAfterValues);
        }
    }

    /// <summary>Judges the versions by what is under them. A header has a number and no scope, so with several scopes only what holds for all of them is said.</summary>
    public IEnumerable<Diagnosis> CheckReferences(IReadOnlyList<ColumnStatus> statuses)
    {
        foreach (var uses in statuses.SelectMany(s => s.ByKeyNumber.Select(n => (s.Column, Number: n.Key, Count: n.Value))).GroupBy(u => u.Number).OrderBy(g => g.Key))
        {
            var columns = string.Join(", ", uses.Select(u => FormattableString.Invariant($"{u.Count} in {u.Column.Name}")));
            var versions = scopes.Values.SelectMany(v => v).Where(v => v.Version.Number == uses.Key).ToList();
            if (versions.Count == 0)
                yield return DoctorMessages.KeyUnknown(uses.Key, columns);
            else if (!versions.Exists(v => v is { Status: KeyVersionStatus.Enabled, RetiredAt: null }))
                yield return Judge(versions, columns);
        }
    }

    /// <summary>Finds versions that nothing needs any more; every column must have been counted.</summary>
    public IEnumerable<Diagnosis> CheckRetirable(IReadOnlyList<ColumnStatus> statuses)
    {
        var used = statuses.SelectMany(s => s.ByKeyNumber.Keys).ToHashSet();
        var isCompared = statuses.Any(s => s.Column.IsCompared);
        foreach (var versions in scopes.Values)
        {
            foreach (var version in versions)
            {
                if (version is { RetiredAt: null, Status: not KeyVersionStatus.Destroyed } && version.EncryptsUntil < now && !used.Contains((uint)version.Version.Number)
                    && versions.Any(v => v.IsPrimary && v.Version.Number > version.Version.Number)
                    && !(isCompared && version.IsSearched && !versions.Any(v => v.IsSearched && v.Version.Number > version.Version.Number && v.UniqueFrom + source.Options.RefreshInterval < now)))
                    yield return DoctorMessages.KeyNotRetired(version.Version);
            }
        }
    }

    /// <summary>Asks the KMS for the keys of every scope.</summary>
    public async Task<IReadOnlyList<Diagnosis>> CheckKmsAsync(Session session, CancellationToken cancellationToken)
    {
        var found = new List<Diagnosis>();
        foreach (var scope in scopes.Keys)
        {
            try
            {
                var ring = await source.FindSlot(session, scope).ReloadAsync(source.StoreOf(session), RingUse.Read, cancellationToken).ConfigureAwait(false);
                found.AddRange(ring.Keys.Where(k => k.Failure is not null).Select(k => Judge(k.Stored.Version.ToString(), k.Failure!)));
            }
            catch (EnvelopeException e)
            {
                found.Add(Judge(scope.ToString(), e));
            }
        }

        return found;
    }

    private static Diagnosis Judge(List<KeyVersionInfo> versions, string columns)
        => versions.Find(v => v.Status == KeyVersionStatus.Disabled) is { } disabled ? DoctorMessages.KeyDisabledInUse(disabled.Version, columns)
            : versions.Find(v => v.Status == KeyVersionStatus.Enabled) is { } retired ? DoctorMessages.KeyRetiredInUse(retired.Version, columns)
            : DoctorMessages.KeyDestroyedInUse(versions[0].Version, columns);

    private static Diagnosis Judge(string subject, EnvelopeException failure)
    {
        var cause = failure as KmsException ?? failure.InnerException as KmsException;
        return failure is EnvelopeDecryptionException || cause is { Kind: KmsErrorKind.InvalidCiphertext or KmsErrorKind.WrongKey }
            ? DoctorMessages.KeyDoesNotOpen(subject, (cause ?? failure).Message)
            : DoctorMessages.KmsUnreachable(subject, (cause ?? failure).Message);
    }
}
