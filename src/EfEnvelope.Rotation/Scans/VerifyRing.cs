using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

/// <summary>The keys of the scope that is verified, read anew for a version that was made meanwhile. Nothing is written, and no version made.</summary>
internal sealed class VerifyRing(DatabaseSource source, Session session, KeyScope scope, bool isOnlyScope)
{
    // Numbers in altered headers are many; versions made during a scan are few.
    private const int MaxReloads = 20;

    private readonly KeyRingSlot _slot = source.FindSlot(session, scope);
    private readonly IKeyStore _store = source.StoreOf(session);
    private readonly HashSet<uint> _unknown = [];
    private KeyRing? _ring;

    public async Task<KeyRing> LoadAsync(CancellationToken cancellationToken)
        => _ring = await _slot.ReloadAsync(_store, RingUse.Read, cancellationToken).ConfigureAwait(false);

    public async ValueTask<KeyRing> GetAsync(RowPlan plan, IReadOnlyList<(object?[] Key, object?[] Values)> rows, CancellationToken cancellationToken)
    {
        var ring = _ring!;
        var isNew = false;
        foreach (var (_, values) in rows)
        {
            for (var i = 0; i < values.Length; i++)
            {
                if (TryReadHeader(values[i], out var header) && ring.Find(header.KeyNumber) is null && _unknown.Count < MaxReloads)
                    isNew |= _unknown.Add(header.KeyNumber);
            }
        }

        return isNew ? await LoadAsync(cancellationToken).ConfigureAwait(false) : ring;
    }

    /// <summary>Adds to what is wrong with a value that it may be right, and of another scope.</summary>
    public string Explain(string reason) => isOnlyScope ? reason : ScanMessages.MaybeOfOtherScope(reason, scope);

    private static bool TryReadHeader(object? value, out EnvelopeHeader header)
        => HeaderText.TryRead(
            value switch
            {
                string text => text.StartsWith(TextEnvelope.Prefix, StringComparison.Ordinal) && text.Length >= HeaderText.Start - 1 + HeaderText.Length
                    ? text.Substring(HeaderText.Start - 1, HeaderText.Length)
                    : null,
                _ => value,
            },
            out header);
}
