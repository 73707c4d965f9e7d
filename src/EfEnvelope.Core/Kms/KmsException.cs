namespace EfEnvelope.Kms;

/// <summary>A key management service refused, or could not serve, a request.</summary>
/// <param name="kind">What went wrong.</param>
/// <param name="message">What happened, whose key, how to mend it; never a key or a value.</param>
/// <param name="innerException">The provider's own exception, or <see langword="null" />.</param>
public sealed class KmsException(KmsErrorKind kind, string message, Exception? innerException = null)
    : EnvelopeException(message, innerException)
{
    /// <summary>Gets what went wrong.</summary>
    public KmsErrorKind Kind { get; } = kind;

    /// <summary>Gets how long the service asks to wait before the next request; <see langword="null" /> when it does not say.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Gets whether the same request may succeed later, or at another copy of the key.</summary>
    public bool IsTransient => Kind is KmsErrorKind.Throttled or KmsErrorKind.Unavailable or KmsErrorKind.Timeout;
}
