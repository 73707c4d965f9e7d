using System.Globalization;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Rotation.Sql;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Asks about each configured KEK, and looks for copies that are stale and for intermediate keys that are lost.</summary>
internal sealed class KekChecks(DatabaseSource source, KeyAdministration keys)
{
    /// <param name="session">The database.</param>
    /// <param name="known">What was found before: a KMS that did not answer there is not told of twice.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<IReadOnlyList<Diagnosis>> RunAsync(Session session, IReadOnlyList<Diagnosis> known, CancellationToken cancellationToken)
    {
        var found = new List<Diagnosis>();
        var isAnswered = await DescribeAsync(known, found, cancellationToken).ConfigureAwait(false);

        // Where no KMS answers, no copy can be judged; and what does not open cannot be rewrapped, so that advice would lead astray.
        if (isAnswered && !known.Any(d => d.Code is "kms-unreachable" or "key-does-not-open"))
        {
            var copies = await keys.ListCopiesAsync(askKms: true, cancellationToken).ConfigureAwait(false);
            found.AddRange(copies.Where(c => c.IsStale).GroupBy(c => (c.Kek, c.State)).Select(g => DoctorMessages.StaleCopies(g.Key.Kek, g.Key.State, [.. g.Select(c => c.Key)])));
        }

        found.AddRange(await FindLostAsync(session, cancellationToken).ConfigureAwait(false));
        return found;
    }

    private async Task<bool> DescribeAsync(IReadOnlyList<Diagnosis> known, List<Diagnosis> found, CancellationToken cancellationToken)
    {
        var wrapping = source.Rings.Wrapping;
        var isAnswered = false;
        foreach (var wrapper in wrapping.Wrappers)
        {
            try
            {
                var kek = await wrapping.DescribeAsync(wrapper, cancellationToken).ConfigureAwait(false);
                isAnswered = true;
                if (kek.State == KekState.Disabled)
                    found.Add(DoctorMessages.KekDisabled(kek.Kek));
                else if (kek.State == KekState.PendingDeletion)
                    found.Add(DoctorMessages.KekPendingDeletion(kek.Kek, kek.DeletionAt));
            }
            catch (KmsException e)
            {
                var diagnosis = DoctorMessages.KekNotDescribed(wrapper.Kek, e.Message);
                if (!known.Any(d => d.Code == diagnosis.Code && d.Message.EndsWith(e.Message, StringComparison.Ordinal)))
                    found.Add(diagnosis);
            }
        }

        return isAnswered;
    }

    // A data key names the intermediate key that it is under; without that, no KMS opens it.
    private static async Task<IEnumerable<Diagnosis>> FindLostAsync(Session session, CancellationToken cancellationToken)
    {
        var rows = await session.Context.Keys.AsNoTracking()
            .Where(r => r[EnvelopeTables.WrappedKey] != null)
            .Select(r => new { Scope = (string)r[EnvelopeTables.Scope], Version = (int)r[EnvelopeTables.Version], Wrapped = (string)r[EnvelopeTables.WrappedKey] })
            .ToListAsync(cancellationToken).ConfigureAwait(false);
        var present = rows.Where(r => r.Scope == KeyScope.Intermediate.Name).Select(r => r.Version).ToHashSet();
        return rows.Select(r => (Key: string.Create(CultureInfo.InvariantCulture, $"{r.Scope}:v{r.Version}"), Number: NumberOf(r.Wrapped)))
            .Where(r => r.Number is { } number && !present.Contains(number))
            .GroupBy(r => r.Number!.Value)
            .Select(g => DoctorMessages.IntermediateMissing(g.Key, [.. g.Select(r => r.Key).Order(StringComparer.Ordinal)]));
    }

    private static int? NumberOf(string text)
    {
        try
        {
            return IntermediateWrapping.TryGetId(WrappedKey.Parse(text), out _, out var id) ? id.Number : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
