using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>Follows the chain event by event, from the beginning or from an event that is taken as it is.</summary>
internal sealed class AuditChainReader
{
    private readonly RootKey _root;

    public AuditChainReader(RootKey root, AuditEventRow? before = null)
    {
        _root = root;
        Sequence = before?.Sequence ?? 0;
        Hash = before?.Hash ?? AuditChain.Genesis;
        KeyedHash = before?.KeyedHash ?? AuditChain.Genesis;
    }

    /// <summary>Gets the last event that is whole.</summary>
    public long Sequence { get; private set; }

    public byte[] Hash { get; private set; }

    public byte[] KeyedHash { get; private set; }

    public long Checkpoints { get; set; }

    /// <summary>Goes on to the next event if it is the one that was appended then.</summary>
    public bool TryFollow(AuditEventRow row, out string? fault)
    {
        if (row.Sequence != Sequence + 1)
        {
            fault = LocalKmsAuditMessages.EventMissing(Sequence + 1);
            return false;
        }

        fault = LocalKmsAuditMessages.EventAltered(row.Sequence);
        if (!ContextJson.TryRead(row.Context, out var context) || row.Time is < 0 or > MaximumTime)
            return false;
        try
        {
            var bytes = AuditChain.Event(_root.KmsId, row, context);
            if (!CryptographicOperations.FixedTimeEquals(AuditChain.Hash(Hash, bytes), row.Hash)
                || !CryptographicOperations.FixedTimeEquals(AuditChain.KeyedHash(_root, KeyedHash, bytes), row.KeyedHash))
            {
                return false;
            }
        }
        catch (ArgumentException)
        {
            // A text that is not valid Unicode, which is never written.
            return false;
        }

        (Sequence, Hash, KeyedHash, fault) = (row.Sequence, row.Hash, row.KeyedHash, null);
        return true;
    }

    public LocalKmsAuditReport Report(long? firstBad, string? fault) => new(fault is null, Sequence, Checkpoints, firstBad, fault);

    // The end of the year 9999.
    private const long MaximumTime = 253_402_300_799_999_999;
}
