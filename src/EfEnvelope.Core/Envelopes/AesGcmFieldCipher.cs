using System.Security.Cryptography;
using EfEnvelope.Keys;

namespace EfEnvelope.Envelopes;

//  +------------+------------+--------------+----------+
//  | header (5) | nonce (12) | ciphertext n | tag (16) |     n + 33 bytes; no associated data: the context is in the subkey
//  +------------+------------+--------------+----------+
internal sealed class AesGcmFieldCipher : FieldCipher
{
    public const int EnvelopeOverhead = EnvelopeHeader.Length + NonceLength + TagLength;
    private const int KeyLength = 32;
    private const int NonceLength = 12;
    private const int TagLength = 16;

    // AesGcm is not thread-safe: on Linux a shared instance gives silently wrong ciphertext.
    private readonly InstancePool<AesGcm> _pool;

    public AesGcmFieldCipher(DataKey key, FieldContext field)
    {
        var subkey = new OwnedBytes(KeyLength);
        key.Derive(SubkeyPurpose.Value, (byte)EnvelopeAlgorithm.Aes256Gcm, field.Context, subkey.Span);
        _pool = new InstancePool<AesGcm>(subkey, static bytes => new AesGcm(bytes, TagLength));
    }

    public override int Overhead => EnvelopeOverhead;

    public override int BodyOffset => EnvelopeHeader.Length + NonceLength;

    public override void Encrypt(Span<byte> envelope)
    {
        var nonce = envelope.Slice(EnvelopeHeader.Length, NonceLength);
        var body = envelope[BodyOffset..^TagLength];
        NonceSource.Fill(nonce);
        var gcm = _pool.Rent(out var slot);
        try
        {
            gcm.Encrypt(nonce, body, body, envelope[^TagLength..]);
        }
        catch
        {
            gcm.Dispose();
            throw;
        }

        _pool.Return(gcm, slot);
    }

    public override void Decrypt(ReadOnlySpan<byte> envelope, Span<byte> plaintext)
    {
        var gcm = _pool.Rent(out var slot);
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

        _pool.Return(gcm, slot);
    }

    public override void Dispose() => _pool.Dispose();
}
