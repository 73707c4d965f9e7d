using EfEnvelope.Keys;

namespace EfEnvelope.Envelopes;

//  +------------+------------+--------------+----------+
//  | header (5) | nonce (12) | ciphertext n | tag (16) |     n + 33 bytes; no associated data: the context is in the subkey
//  +------------+------------+--------------+----------+
internal sealed class AesGcmFieldCipher : FieldCipher
{
    public const int EnvelopeOverhead = EnvelopeHeader.Length + GcmEngine.NonceLength + GcmEngine.TagLength;

    private readonly GcmCipher _gcm;

    public AesGcmFieldCipher(DataKey key, FieldContext field)
    {
        var subkey = new OwnedBytes(GcmEngine.KeyLength);
        key.Derive(SubkeyPurpose.Value, (byte)EnvelopeAlgorithm.Aes256Gcm, field.Context, subkey.Span);
        _gcm = key.Engine.Create(subkey);
    }

    public override int Overhead => EnvelopeOverhead;

    public override int BodyOffset => EnvelopeHeader.Length + GcmEngine.NonceLength;

    public override void Encrypt(Span<byte> envelope)
    {
        var nonce = envelope.Slice(EnvelopeHeader.Length, GcmEngine.NonceLength);
        NonceSource.Fill(nonce);
        _gcm.Encrypt(nonce, envelope[BodyOffset..]);
    }

    public override void Decrypt(ReadOnlySpan<byte> envelope, Span<byte> plaintext)
        => _gcm.Decrypt(envelope.Slice(EnvelopeHeader.Length, GcmEngine.NonceLength), envelope[BodyOffset..], plaintext);

    public override void Dispose() => _gcm.Dispose();
}
