namespace EfEnvelope.Envelopes;

/// <summary>How the body of an envelope is encrypted. The numbers are part of the format.</summary>
public enum EnvelopeAlgorithm : byte
{
    /// <summary>AES-256-GCM with a random 96-bit nonce: equal values get different envelopes.</summary>
    Aes256Gcm = 1,

    /// <summary>AES-256-SIV (RFC 5297) without a nonce: equal values get equal envelopes.</summary>
    Aes256Siv = 2,

    /// <summary>No encryption but a blind index, HMAC-SHA256 of the value: equal values get equal bytes, and they open to nothing.</summary>
    BlindIndex = 3,
}
