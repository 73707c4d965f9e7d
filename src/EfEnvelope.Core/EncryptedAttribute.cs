namespace EfEnvelope;

/// <summary>
/// Encrypts this property in the database. It takes effect in a context that is configured with <c>UseEnvelopeEncryption(…)</c>.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class EncryptedAttribute : Attribute
{
    /// <summary>Encrypts this property so that equal values get different envelopes.</summary>
    public EncryptedAttribute()
    {
    }

    /// <summary>Encrypts this property in the given mode.</summary>
    /// <param name="mode">How equal values are encrypted.</param>
    public EncryptedAttribute(EncryptionMode mode) => Mode = mode;

    /// <summary>Gets how equal values are encrypted.</summary>
    /// <value>The default is <see cref="EncryptionMode.Randomized" />.</value>
    public EncryptionMode Mode { get; }

    /// <summary>
    /// Gets or sets the stable name that the column's values are bound to. Set it when the table or the column is renamed, to
    /// the name it had before, and on a view's property, to the name of the column that the view shows.
    /// </summary>
    /// <value>The default is <see langword="null" />: table and column, such as <c>Patients.Ssn</c>, with the schema before it if it has one.</value>
    public string? Context { get; set; }

    /// <summary>Gets or sets what kind of column holds the envelopes.</summary>
    /// <value>The default is <see cref="EncryptedStorage.Binary" />.</value>
    public EncryptedStorage Storage { get; set; }
}

/// <summary>How equal values are encrypted.</summary>
public enum EncryptionMode
{
    /// <summary>Equal values get different envelopes. Nothing but the length and null can be seen.</summary>
    Randomized = 0,

    /// <summary>
    /// Equal values of one column get equal envelopes, so that queries can compare them and a unique index can tell duplicates. Who reads the column sees
    /// which rows are equal, and how often each value occurs. Text is compared ordinally, letter by letter.
    /// </summary>
    Deterministic = 1,
}
