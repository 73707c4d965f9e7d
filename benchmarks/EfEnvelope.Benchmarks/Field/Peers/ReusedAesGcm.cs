using System.Security.Cryptography;

namespace EfEnvelope.Benchmarks.Field.Peers;

/// <summary>
/// The floor of the platform: one instance of AesGcm, used by one thread, with the nonce given and every buffer there already. It makes no nonce, no string
/// and no array, so no library that stores what it returns can be as little.
/// </summary>
internal sealed class ReusedAesGcm
{
    private const int NonceLength = 12;
    private const int TagLength = 16;

    private readonly AesGcm _gcm = new(RandomNumberGenerator.GetBytes(32), TagLength);
    private readonly byte[] _nonce = RandomNumberGenerator.GetBytes(NonceLength);
    private readonly byte[] _tag = new byte[TagLength];
    private readonly byte[] _plaintext;
    private readonly byte[] _ciphertext;
    private readonly byte[] _opened;
    private readonly byte[] _associatedData;

    public ReusedAesGcm(byte[] plaintext, byte[] associatedData)
    {
        _plaintext = plaintext;
        _associatedData = associatedData;
        (_ciphertext, _opened) = (new byte[plaintext.Length], new byte[plaintext.Length]);
        Seal();
        Open();
        Samples.Require(_opened.AsSpan().SequenceEqual(plaintext), "AesGcm opens what it sealed");
    }

    /// <summary>Gets what a program would have to store: the nonce, the ciphertext and the tag, without the number of a key.</summary>
    public int StoredBytes => NonceLength + _ciphertext.Length + TagLength;

    public void Seal() => _gcm.Encrypt(_nonce, _plaintext, _ciphertext, _tag, _associatedData);

    public void Open() => _gcm.Decrypt(_nonce, _ciphertext, _tag, _opened, _associatedData);
}
