namespace EfEnvelope.Kms;

/// <summary>What went wrong in a key management service, in the one set of kinds that every provider maps to.</summary>
public enum KmsErrorKind
{
    /// <summary>The service asks to slow down. Retried with jitter.</summary>
    Throttled,

    /// <summary>The service cannot be reached, or failed on its side. Retried with jitter.</summary>
    Unavailable,

    /// <summary>The service did not answer in time. Retried with jitter.</summary>
    Timeout,

    /// <summary>The credentials are missing, wrong or expired. They are refreshed once.</summary>
    Unauthenticated,

    /// <summary>The caller may not do this with this key.</summary>
    AccessDenied,

    /// <summary>The key does not exist.</summary>
    NotFound,

    /// <summary>The key does not exist or may not be seen; the service does not tell which.</summary>
    NotFoundOrDenied,

    /// <summary>The key is disabled.</summary>
    Disabled,

    /// <summary>The key is scheduled for deletion.</summary>
    PendingDeletion,

    /// <summary>The wrapped key was wrapped under another KEK than the one named.</summary>
    WrongKey,

    /// <summary>The wrapped key was altered, or is bound to another encryption context. Never retried.</summary>
    InvalidCiphertext,

    /// <summary>The request itself is wrong.</summary>
    InvalidRequest,
}
