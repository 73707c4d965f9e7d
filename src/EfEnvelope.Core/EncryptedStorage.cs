namespace EfEnvelope;

/// <summary>What kind of column holds the envelopes.</summary>
public enum EncryptedStorage
{
    /// <summary>A binary column: the smallest, and the one that no plaintext can be written into by mistake.</summary>
    Binary = 0,

    /// <summary>
    /// A text column, for one that exists and shall stay: the envelope as <c>efenvelope:v1:</c> and Base64url. Properties that are kept as text only.
    /// </summary>
    Text = 1,
}
