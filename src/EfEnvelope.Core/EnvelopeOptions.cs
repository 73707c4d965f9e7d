using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope;

/// <summary>How keys are loaded, kept and rotated. Immutable; built by <see cref="EnvelopeOptionsBuilder" />.</summary>
public sealed record EnvelopeOptions
{
    private static readonly TimeSpan LongestKmsTimeout = TimeSpan.FromDays(1);

    /// <summary>Gets the key scope whose ring encrypts.</summary>
    /// <value>The default is <c>default</c>.</value>
    public string Scope { get; init; } = "default";

    /// <summary>Gets how long a key ring may be used before it is read again, with its keys unwrapped anew.</summary>
    /// <value>The default is 1 hour.</value>
    public TimeSpan RefreshInterval { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Gets how long, after <see cref="RefreshInterval" />, unwrapped keys may still be used while the KMS is out of reach. Each
    /// failed attempt is logged.
    /// </summary>
    /// <value>The default is 23 hours: with the refresh interval, a KMS outage of a day is survived.</value>
    public TimeSpan StaleIfErrorFor { get; init; } = TimeSpan.FromHours(23);

    /// <summary>Gets how long after a failed refresh, at the earliest, the next one is tried.</summary>
    /// <value>The default is 1 minute.</value>
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Gets how long a failed first load, or a key number that the ring does not know, is answered from memory instead of being looked up again.
    /// </summary>
    /// <value>The default is 2 seconds.</value>
    public TimeSpan NegativeCacheTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Gets how long an answer of a KMS is waited for, with all that its adapter does to get it: it counts as one that is out of reach then. A key that was
    /// unwrapped before is used meanwhile, so this is how long a process may wait that has just started, or whose keys are past their time.
    /// </summary>
    /// <value>The default is 30 seconds. The adapters have shorter times for each of their attempts.</value>
    public TimeSpan KmsTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Gets how long a new key version waits before it may encrypt, so that every instance has had time to load it. It must be
    /// longer than <see cref="RefreshInterval" /> where several processes share a database.
    /// </summary>
    /// <value>The default is 2 hours.</value>
    public TimeSpan ActivationDelay { get; init; } = TimeSpan.FromHours(2);

    /// <summary>Gets the age at which a primary is replaced by a new version by itself, or <see langword="null" /> for never.</summary>
    /// <value>The default is 90 days.</value>
    public TimeSpan? RotateAfter { get; init; } = TimeSpan.FromDays(90);

    /// <summary>
    /// Gets how many values of one column may be encrypted under one key version before the next version is made. Whatever is
    /// set, a version never encrypts more than 2^32 values of one column.
    /// </summary>
    /// <value>The default is 2^31.</value>
    public long RotateAfterValues { get; init; } = 1L << 31;

    /// <summary>
    /// Gets whether data keys are wrapped under an intermediate key of the database, which the KMS wraps, so that any number of scopes costs the same few KMS
    /// requests; otherwise the KMS wraps each data key itself, and its audit trail names each scope. Keys of both kinds are read.
    /// </summary>
    /// <value>The default is <see langword="true" />.</value>
    public bool UsesIntermediateKey { get; init; } = true;

    /// <summary>Gets what encrypts values: a matter of speed alone.</summary>
    internal GcmEngine Engine { get; init; } = GcmEngine.Platform;

    /// <summary>Gets whether a new version that encrypts after a delay is known to every instance by then, or to the only one.</summary>
    internal bool AllowsDelay(TimeSpan activationDelay) => activationDelay == TimeSpan.Zero || (activationDelay > TimeSpan.Zero && activationDelay >= RefreshInterval);

    internal IEnumerable<string> FindFaults()
    {
        if (!KeyScope.IsWellFormed(Scope))
            yield return Messages.MalformedScope(Scope);
        if (RefreshInterval <= TimeSpan.Zero)
            yield return Messages.OptionOutOfRange(nameof(RefreshInterval), RefreshInterval, "more than zero");
        if (StaleIfErrorFor < TimeSpan.Zero)
            yield return Messages.OptionOutOfRange(nameof(StaleIfErrorFor), StaleIfErrorFor, "zero or more");
        if (RetryInterval <= TimeSpan.Zero)
            yield return Messages.OptionOutOfRange(nameof(RetryInterval), RetryInterval, "more than zero");
        if (NegativeCacheTime < TimeSpan.Zero)
            yield return Messages.OptionOutOfRange(nameof(NegativeCacheTime), NegativeCacheTime, "zero or more");
        if (KmsTimeout <= TimeSpan.Zero || KmsTimeout > LongestKmsTimeout)
            yield return Messages.OptionOutOfRange(nameof(KmsTimeout), KmsTimeout, $"more than zero, at most {LongestKmsTimeout}");
        if (!AllowsDelay(ActivationDelay))
            yield return Messages.OptionOutOfRange(nameof(ActivationDelay), ActivationDelay, "at least RefreshInterval, or zero where one process uses the database");
        if (RotateAfter <= ActivationDelay)
            yield return Messages.OptionOutOfRange(nameof(RotateAfter), RotateAfter, "longer than ActivationDelay, or null");
        if (RotateAfterValues is < 1 or > 1L << 31)
            yield return Messages.OptionOutOfRange(nameof(RotateAfterValues), RotateAfterValues, "from 1 to 2147483648");
    }
}
