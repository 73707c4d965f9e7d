using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;

namespace EfEnvelope;

/// <summary>Configures envelope encryption: which KMS wraps the keys, and how key rings live.</summary>
public sealed class EnvelopeOptionsBuilder
{
    private readonly List<KmsRegistration> _kms = [];

    /// <summary>Gets the options as configured so far.</summary>
    public EnvelopeOptions Options { get; private set; } = new();

    internal TimeProvider TimeProvider { get; private set; } = TimeProvider.System;

    internal IReadOnlyList<KmsRegistration> Kms => _kms;

    /// <summary>Gets or sets what names the schema of a context's tables, where its model does not.</summary>
    internal Func<object, string?>? FindSchema { get; set; }

    /// <summary>Adds a key management service. Providers call this; a user calls theirs, such as <c>UseLocalKms(…)</c>.</summary>
    /// <param name="identity">
    /// What tells this configuration from another by <see cref="object.Equals(object)" />: contexts with equal identities share one
    /// client and one cache of keys.
    /// </param>
    /// <param name="create">
    /// Makes a new client: one for all contexts with equal configurations, disposed of when none is left and it was not used for long.
    /// </param>
    /// <returns>The same builder.</returns>
    public EnvelopeOptionsBuilder UseKms(object identity, Func<KmsServices, IKeyWrapper> create)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(create);
        _kms.Add(new KmsRegistration(identity, create));
        return this;
    }

    /// <summary>Adds a key management service of the caller's own. The instance itself is its identity.</summary>
    /// <param name="wrapper">The client; it outlives every context that uses it.</param>
    /// <returns>The same builder.</returns>
    public EnvelopeOptionsBuilder UseKms(IKeyWrapper wrapper)
    {
        ArgumentNullException.ThrowIfNull(wrapper);
        return UseKms(wrapper, _ => wrapper);
    }

    /// <summary>
    /// Wraps every key under an RSA key of the caller's, too, as the last resort when every KMS is lost. Configured with the public key, it only wraps; to recover,
    /// configure the private key in its place.
    /// </summary>
    /// <param name="pem">An RSA key of at least 3072 bits in PEM form, not encrypted: <c>BEGIN PUBLIC KEY</c>, or a private key to recover with.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>Call it after the KMS that serves day by day. Its KEK URI is <c>recovery:</c> and a fingerprint, 32 hexadecimal digits.</remarks>
    /// <exception cref="ArgumentException">It is no such key.</exception>
    public EnvelopeOptionsBuilder UseRecoveryKey(string pem)
    {
        ArgumentNullException.ThrowIfNull(pem);
        using var key = new RecoveryKey(pem);
        return UseKms(("recovery", key.Kek, key.CanUnwrap), _ => new RecoveryKey(pem));
    }

    /// <summary>Sets the key scope whose ring encrypts.</summary>
    /// <param name="scope">A short name, such as <c>clinic</c>: letters, digits, and <c>. _ / -</c> inside.</param>
    /// <returns>The same builder.</returns>
    public EnvelopeOptionsBuilder UseScope(string scope) => Configure(o => o with { Scope = scope });

    /// <summary>Changes how key rings are loaded, kept and rotated.</summary>
    /// <param name="change">Returns the changed options.</param>
    /// <returns>The same builder.</returns>
    public EnvelopeOptionsBuilder Configure(Func<EnvelopeOptions, EnvelopeOptions> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        Options = change(Options);
        return this;
    }

    /// <summary>Replaces the clock, for tests.</summary>
    /// <param name="timeProvider">The clock.</param>
    /// <returns>The same builder.</returns>
    public EnvelopeOptionsBuilder UseTimeProvider(TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(timeProvider);
        TimeProvider = timeProvider;
        return this;
    }

    /// <summary>Reports all faults of the configuration in one message.</summary>
    /// <exception cref="EnvelopeConfigurationException">There is at least one fault.</exception>
    internal void Validate()
    {
        List<string> faults = [.. Options.FindFaults()];
        if (_kms.Count == 0)
            faults.Add(Messages.NoKmsConfigured());
        if (faults.Count > 0)
            throw new EnvelopeConfigurationException(string.Join(Environment.NewLine, faults));
    }
}

/// <summary>One configured KMS: equal identities share one client.</summary>
internal sealed record KmsRegistration(object Identity, Func<KmsServices, IKeyWrapper> Create);
