namespace EfEnvelope;

/// <summary>The base of every exception that EfEnvelope throws on purpose.</summary>
/// <param name="message">What happened, whose it is, how to mend it; never a key or a value.</param>
/// <param name="innerException">The cause, or <see langword="null" />.</param>
public abstract class EnvelopeException(string message, Exception? innerException = null)
    : Exception(message, innerException);

/// <summary>Fix the code or the configuration: a model, a query or an option asks for what cannot be done safely.</summary>
/// <param name="message">What happened, whose it is, how to mend it.</param>
/// <param name="innerException">The cause, or <see langword="null" />.</param>
public sealed class EnvelopeConfigurationException(string message, Exception? innerException = null)
    : EnvelopeException(message, innerException);

/// <summary>Retry: a key cannot be had right now. Nothing was written.</summary>
/// <param name="message">What happened, whose it is, how to mend it.</param>
/// <param name="innerException">The cause, or <see langword="null" />.</param>
public sealed class KeyUnavailableException(string message, Exception? innerException = null)
    : EnvelopeException(message, innerException);

/// <summary>Give up: the key version was destroyed, and what it encrypted is gone for good.</summary>
/// <param name="message">What happened and whose it is.</param>
public sealed class KeyDestroyedException(string message)
    : EnvelopeException(message);

/// <summary>Fix the context: the value belongs to another key scope of the same database, whose context reads it.</summary>
/// <param name="message">What happened, whose it is, how to mend it.</param>
public sealed class WrongKeyScopeException(string message)
    : EnvelopeException(message);

/// <summary>
/// Raise the alarm: a stored value or a wrapped key was altered, moved or written by something else. The inner cause is withheld
/// on purpose.
/// </summary>
/// <param name="message">What happened and whose it is.</param>
public sealed class EnvelopeDecryptionException(string message)
    : EnvelopeException(message);
