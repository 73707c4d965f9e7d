using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>The rows of one page, converted: what is to be written, and what cannot be.</summary>
internal sealed record SealedBatch(
    object?[] Position, int Read, IReadOnlyList<RowChange> Changes, IReadOnlyList<JobFinding> Findings, IReadOnlyList<StoredKey> Keys);

/// <summary>Converts pages of rows with the keys of a scope: opens, seals, opens again and compares.</summary>
internal sealed class BatchSealer(DatabaseSource source, Session session, RowPlan plan, KeyScope scope)
{
    private readonly KeyRingSlot _slot = source.FindSlot(session, scope);
    private readonly IKeyStore _store = source.StoreOf(session);

    /// <summary>Loads the ring anew, because the database may have changed it since.</summary>
    public async Task<JobKeys> ReloadAsync(CancellationToken cancellationToken) => new(await _slot.ReloadAsync(_store, RingUse.Write, cancellationToken).ConfigureAwait(false));

    public async Task<SealedBatch> SealAsync(IReadOnlyList<(object?[] Key, object?[] Values)> rows, CancellationToken cancellationToken)
    {
        var ring = await _slot.GetAsync(_store, RingUse.Write, cancellationToken).ConfigureAwait(false);
        if (FindUnknown(ring, rows) is { } unknown)
            ring = await _slot.ReloadForUnknownAsync(_store, unknown, cancellationToken).ConfigureAwait(false);
        var keys = new JobKeys(ring);
        foreach (var (field, role) in plan.Tasks.Select(t => t.Budget).OfType<(FieldContext, KeyRole)>())
        {
            if (keys.Find(role) is { } key)
                await _slot.TakeBudgetAsync(_store, key, field.GetBudget(key), rows.Count, cancellationToken).ConfigureAwait(false);
        }

        var changes = new List<RowChange>(rows.Count);
        var findings = new List<JobFinding>();
        foreach (var (key, values) in rows)
        {
            using var row = new RowWork(plan, key, values, ring);
            try
            {
                plan.Apply(row, keys);
                if (row.IsChanged)
                    changes.Add(new RowChange(key, values, row.New));
            }
            catch (RowRefusedException e)
            {
                findings.Add(new JobFinding(RowKey.Display(key), plan.Columns[e.Column].Name, e.Message));
            }
        }

        return new SealedBatch(rows[^1].Key, rows.Count, changes, findings, keys.Used);
    }

    private static EnvelopeHeader? FindHeader(StoredForm form, object? value)
        => (form, value) switch
        {
            (StoredForm.Binary, byte[] bytes) => HeaderText.TryRead(bytes, out var header) ? header : null,
            (StoredForm.Text, string text) when text.StartsWith(TextEnvelope.Prefix, StringComparison.Ordinal) && text.Length >= HeaderText.Start - 1 + HeaderText.Length
                => HeaderText.TryRead(text.Substring(HeaderText.Start - 1, HeaderText.Length), out var header) ? header : null,
            _ => null,
        };

    // A version that an instance made since the ring was read.
    private uint? FindUnknown(KeyRing ring, IReadOnlyList<(object?[] Key, object?[] Values)> rows)
    {
        foreach (var (_, values) in rows)
        {
            for (var i = 0; i < values.Length; i++)
            {
                if (FindHeader(plan.Columns[i].Form, values[i]) is { } header && ring.Find(header.KeyNumber) is null)
                    return header.KeyNumber;
            }
        }

        return null;
    }
}
