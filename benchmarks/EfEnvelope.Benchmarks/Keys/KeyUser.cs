using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>Encrypts and decrypts values of one tenant as commands do: the ring is asked for, the budget is taken, the value is sealed and opened.</summary>
internal sealed class KeyUser : IDisposable
{
    private const string Value = "a value of 32 characters, no more";

    private static readonly PlaintextCodec<string> Codec = PlaintextCodec<string>.Default;
    private static readonly FieldContext Field = Codec.GetField("Tenants.Secret");

    private readonly TenantContext _context;
    private readonly IKeyStore _store;
    private readonly KeyRingSlot _slot;

    public KeyUser(KeyDatabase database, KeyRingCache rings, CountingKms kms, ReadCounter reads, int tenant)
    {
        _context = database.NewContext(kms, tenant);
        _context.Database.OpenConnection();
        var connection = new KeyStoreConnection(_context);
        _store = new CountingKeyStore(new EfKeyStore(connection), reads);
        _slot = rings.GetSlot(connection.Identity, new KeyScope(KeyDatabase.ScopeOf(tenant)));
    }

    /// <summary>Writes and reads some values by one command each way.</summary>
    public async ValueTask UseAsync(int values)
    {
        var ring = await _slot.GetAsync(_store, RingUse.Write, default);
        var key = ring.Primary;
        await _slot.TakeBudgetAsync(_store, key, Field.GetBudget(key), values, default);
        for (var i = 0; i < values; i++)
        {
            var envelope = EnvelopeCodec.Encrypt(key, Field, EnvelopeAlgorithm.Aes256Gcm, Value, Codec);
            if (!EnvelopeCodec.TryDecrypt(ring, Field, envelope, Codec, out var opened) || opened != Value)
                throw new InvalidOperationException("The value does not open.");
        }
    }

    /// <summary>Gets the ring that is held, to tell when it was replaced.</summary>
    public KeyRing? Ring => _slot.Current;

    public void Dispose() => _context.Dispose();
}
