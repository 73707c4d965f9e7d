using System.Reflection;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.Tests;

/// <summary>Rings of chosen keys, and a look at the memory behind them.</summary>
internal static class TestRings
{
    public static KeyRing Ring(string scope, params (int Number, byte[] Key)[] keys)
        => new(
            new KeyScope(scope),
            keys.Select(k => new RingKey(Stored(new KeyVersion(new KeyScope(scope), k.Number)), Key(scope, k.Number, k.Key))),
            DateTimeOffset.UnixEpoch,
            Moment.Now(TimeProvider.System),
            TimeProvider.System);

    public static DataKey Key(string scope, int number, byte[] key)
        => new(new KeyVersion(new KeyScope(scope), number), key.ToArray());

    public static StoredKey Stored(KeyVersion version)
        => new()
        {
            Version = version,
            Status = KeyVersionStatus.Enabled,
            Wrapped = new WrappedKey(new WrappedKeyCopy(new KekUri("test:kek"), null, new byte[] { 1 })),
            Commitment = new byte[32],
            CreatedAt = DateTimeOffset.UnixEpoch,
            EncryptsFrom = DateTimeOffset.UnixEpoch,
        };

    public static byte[] Encrypt<T>(DataKey key, string field, T value, EnvelopeAlgorithm algorithm = EnvelopeAlgorithm.Aes256Gcm)
        => EnvelopeCodec.Encrypt(key, PlaintextCodec<T>.Default.GetField(field), algorithm, value, PlaintextCodec<T>.Default);

    public static T Decrypt<T>(DataKey key, string field, byte[] envelope)
    {
        var context = PlaintextCodec<T>.Default.GetField(field);
        return EnvelopeCodec.Decrypt(EnvelopeCodec.ReadHeader(context, envelope), key, context, envelope, PlaintextCodec<T>.Default);
    }

    public static bool TryDecrypt<T>(KeyRing ring, string field, byte[] envelope, out T? value)
        => EnvelopeCodec.TryDecrypt(ring, PlaintextCodec<T>.Default.GetField(field), envelope, PlaintextCodec<T>.Default, out value);

    public static byte[] MemoryOf(DataKey key) => MemoryOf(Field<OwnedBytes>(key, "_key"));

    public static byte[] MemoryOf(OwnedBytes bytes) => Field<byte[]>(bytes, "_bytes");

    public static T Field<T>(object owner, string name)
        => (T)owner.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(owner)!;
}
