using System.Security.Cryptography;
using System.Text;

namespace EfEnvelope.Benchmarks.Field.Peers;

/// <summary>
/// UNSAFE, as the old encryption libraries for EF do it: AES-CBC with the same IV for every value. Nothing is authenticated, so an altered value opens as
/// another one; equal values, and equal beginnings, are seen to be equal in every column; no stored value names its key. Here without their streams, and
/// stored as bytes: in their favour.
/// </summary>
internal sealed class UnsafeFixedIvConverter
{
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly byte[] _iv = RandomNumberGenerator.GetBytes(16);

    public byte[] Seal(string value)
    {
        using var aes = Aes.Create();
        aes.Key = _key;
        return aes.EncryptCbc(Encoding.UTF8.GetBytes(value), _iv);
    }

    public string Open(byte[] stored)
    {
        using var aes = Aes.Create();
        aes.Key = _key;
        return Encoding.UTF8.GetString(aes.DecryptCbc(stored, _iv));
    }
}
