using EfEnvelope.Keys;

namespace EfEnvelope.Envelopes;

//  +------------+--------+--------------+
//  | header (5) | V (16) | ciphertext n |     n + 21 bytes; no associated data: the context is in the subkey
//  +------------+--------+--------------+
// V is made of the plaintext: initialization vector and tag in one. Equal values get equal envelopes.
internal sealed class AesSivFieldCipher : FieldCipher
{
    public const int EnvelopeOverhead = EnvelopeHeader.Length + AesSiv.TagLength;
    private const int KeyLength = 64;

    private readonly InstancePool<AesSiv> _pool;

    public AesSivFieldCipher(DataKey key, FieldContext field)
    {
        var subkey = new OwnedBytes(KeyLength);
        key.Derive(SubkeyPurpose.Value, (byte)EnvelopeAlgorithm.Aes256Siv, field.Context, subkey.Span);
        _pool = new InstancePool<AesSiv>(subkey, static bytes => new AesSiv(bytes));
    }

    public override int Overhead => EnvelopeOverhead;

    public override int BodyOffset => EnvelopeOverhead;

    public override void Encrypt(Span<byte> envelope)
    {
        var body = envelope[BodyOffset..];
        var siv = _pool.Rent(out var slot);
        try
        {
            siv.Encrypt(body, envelope.Slice(EnvelopeHeader.Length, AesSiv.TagLength), body);
        }
        catch
        {
            siv.Dispose();
            throw;
        }

        _pool.Return(siv, slot);
    }

    public override void Decrypt(ReadOnlySpan<byte> envelope, Span<byte> plaintext)
    {
        var siv = _pool.Rent(out var slot);
        try
        {
            siv.Decrypt(envelope.Slice(EnvelopeHeader.Length, AesSiv.TagLength), envelope[BodyOffset..], plaintext);
        }
        catch
        {
            siv.Dispose();
            throw;
        }

        _pool.Return(siv, slot);
    }

    public override void Dispose() => _pool.Dispose();
}
