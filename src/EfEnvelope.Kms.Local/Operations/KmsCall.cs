using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Operations;

/// <summary>What is asked, of which key, in which context, and by whom.</summary>
/// <param name="Operation">What is asked.</param>
/// <param name="Key">A key's name, its alias, or its id after <c>id:</c>; <see langword="null" /> where no key is meant.</param>
/// <param name="Context">The pairs that are bound to what is wrapped or encrypted.</param>
/// <param name="Caller">Who calls; <see langword="null" /> for nobody in particular.</param>
/// <param name="CorrelationId">What ties the call to the caller's own records.</param>
/// <param name="IsSynchronous">Whether the caller's thread waits, so that everything is done on it.</param>
internal sealed record KmsCall(
    LocalKmsOperation Operation, string? Key, EncryptionContext? Context, LocalKmsCredential? Caller, string? CorrelationId, bool IsSynchronous = false);

/// <summary>Which key a call is about, as far as is known: set by the gate before the call is authorized, completed by the work.</summary>
internal sealed class KmsSubject
{
    /// <summary>Gets the key that the call names, its row genuine; <see langword="null" /> when it names none, or one that is not there.</summary>
    public KeyRow? Key { get; private set; }

    /// <summary>Gets the id of the key.</summary>
    public string? KeyId => Key?.KeyId;

    /// <summary>Gets the name of the key, never its alias.</summary>
    public string? KeyName => Key?.Name;

    /// <summary>Gets or sets the version that was used or made.</summary>
    public int? Version { get; set; }

    /// <summary>Gets or sets what else was used, such as the id of a seal or the name of a principal; goes into the audit event.</summary>
    public string? Detail { get; set; }

    /// <summary>Gets or sets the decision about another key that the call concerns, when that one refused it.</summary>
    public KmsDecision? Refused { get; set; }

    /// <summary>Gets whether the work found that it has to write. It is then run again in a transaction, and nothing is recorded of the first run.</summary>
    public bool NeedsWrite { get; private set; }

    /// <summary>Gets whether the work runs in a transaction.</summary>
    public bool CanWrite { get; init; }

    public void Is(KeyRow? key) => Key = key;

    /// <summary>What a work that only reads returns when it has to write after all.</summary>
    public T AskToWrite<T>()
    {
        NeedsWrite = true;
        return default!;
    }
}
