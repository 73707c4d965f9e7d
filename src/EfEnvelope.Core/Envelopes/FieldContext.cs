using System.Collections.Concurrent;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.Envelopes;

/// <summary>
/// What every value of one encrypted column is bound to: the column's stable name, and the type of its plaintext. One instance per name and
/// type, so that a data key can find its subkeys by reference.
/// </summary>
internal sealed class FieldContext
{
    /// <summary>The longest stable name, in characters: it is part of a key of the key store's tables.</summary>
    public const int MaxNameLength = 256;

    private static readonly ConcurrentDictionary<(string Name, string Type), FieldContext> Interned = new();
    private readonly Func<DataKey, FieldCipher> _createGcm;
    private readonly Func<DataKey, FieldCipher> _createSiv;
    private readonly Func<DataKey, UsageBudget> _createBudget;
    private readonly object _gcmId = new();
    private readonly object _sivId = new();
    private readonly object _budgetId = new();

    private FieldContext(string name, string type)
    {
        Name = name;
        Context = new EncryptionContext([new("field", name), new("type", type)]);
        _createGcm = key => FieldCipher.Create(EnvelopeAlgorithm.Aes256Gcm, key, this);
        _createSiv = key => FieldCipher.Create(EnvelopeAlgorithm.Aes256Siv, key, this);
        _createBudget = _ => new UsageBudget(Name);
    }

    public string Name { get; }

    public EncryptionContext Context { get; }

    public static FieldContext Get(string name, string type)
        => Interned.TryGetValue((name, type), out var field) ? field : Interned.GetOrAdd((name, type), id => new FieldContext(id.Name, id.Type));

    public FieldCipher GetCipher(DataKey key, EnvelopeAlgorithm algorithm)
        => algorithm switch
        {
            EnvelopeAlgorithm.Aes256Gcm => key.GetOrAdd(_gcmId, _createGcm),
            EnvelopeAlgorithm.Aes256Siv => key.GetOrAdd(_sivId, _createSiv),
            _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, null),
        };

    public UsageBudget GetBudget(DataKey key) => key.GetOrAdd(_budgetId, _createBudget);

    public override string ToString() => Name;
}
