using System.Security.Cryptography;
using EfEnvelope.Keys;

namespace EfEnvelope.Envelopes;

//  +------------+------------+--------------+----------+
//  | header (5) | nonce (12) | ciphertext n | tag (16) |     n + 33 bytes; no associated data: the context is in the subkey
//  +------------+------------+--------------+----------+
internal sealed class AesGcmFieldCipher : FieldCipher
{
    public const int EnvelopeOverhead = EnvelopeHeader.Length + NonceLength + TagLength;
    private const int NonceLength = 12;
    private const int TagLength = 16;

    // AesGcm is not thread-safe (on Linux a shared instance gives silently wrong ciphertext), so an instance has one user at a
    // time: it is taken out of its slot and put back. Slots stand a cache line apart, and belong to the key so that dropping the key drains them.
    private const int SlotCount = 16;
    private const int SlotStride = 8;

    private readonly AesGcm?[] _slots = new AesGcm?[SlotCount * SlotStride];
    private readonly OwnedBytes _subkey = new(32);
    private volatile bool _disposed;

    public AesGcmFieldCipher(DataKey key, FieldContext field)
        => key.Derive(SubkeyPurpose.Value, (byte)EnvelopeAlgorithm.Aes256Gcm, field.Context, _subkey.Span);

    public override int Overhead => EnvelopeOverhead;

    public override int BodyOffset => EnvelopeHeader.Length + NonceLength;

    public override void Encrypt(Span<byte> envelope)
    {
        var nonce = envelope.Slice(EnvelopeHeader.Length, NonceLength);
        var body = envelope[BodyOffset..^TagLength];
        NonceSource.Fill(nonce);
        var gcm = Rent(out var slot);
        try
        {
            gcm.Encrypt(nonce, body, body, envelope[^TagLength..]);
        }
        catch
        {
            gcm.Dispose();
            throw;
        }

        Return(gcm, slot);
    }

    public override void Decrypt(ReadOnlySpan<byte> envelope, Span<byte> plaintext)
    {
        var gcm = Rent(out var slot);
        try
        {
            gcm.Decrypt(
                envelope.Slice(EnvelopeHeader.Length, NonceLength), envelope[BodyOffset..^TagLength], envelope[^TagLength..], plaintext);
        }
        catch
        {
            gcm.Dispose();
            throw;
        }

        Return(gcm, slot);
    }

    public override void Dispose()
    {
        _disposed = true;
        for (var slot = 0; slot < _slots.Length; slot += SlotStride)
            Interlocked.Exchange(ref _slots[slot], null)?.Dispose();
        _subkey.Dispose();
    }

    private AesGcm Rent(out int slot)
    {
        slot = (Thread.GetCurrentProcessorId() & (SlotCount - 1)) * SlotStride;
        return Interlocked.Exchange(ref _slots[slot], null) ?? Create();
    }

    private AesGcm Create()
    {
        var gcm = new AesGcm(_subkey.Span, TagLength);
        try
        {
            _subkey.ThrowIfDisposed();
            return gcm;
        }
        catch
        {
            gcm.Dispose();
            throw;
        }
    }

    private void Return(AesGcm gcm, int slot)
    {
        if (Interlocked.CompareExchange(ref _slots[slot], gcm, null) is not null)
            gcm.Dispose();
        else if (_disposed)
            Interlocked.Exchange(ref _slots[slot], null)?.Dispose();
    }
}
