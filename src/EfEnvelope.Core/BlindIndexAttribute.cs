using EfEnvelope.BlindIndexes;

namespace EfEnvelope;

/// <summary>
/// Gives this encrypted property a blind index: a keyed hash of its value in a column of its own, so that the database can compare
/// values without seeing them. Two values are equal if they are equal after <see cref="Normalization" />.
/// </summary>
/// <remarks>
/// Whoever reads the database sees which rows have equal values, and how often each occurs. A property may have several indexes, such as one
/// of the whole value and one of its last four characters; each of them shows more.
/// </remarks>
/// <param name="normalization">What is made equal before values are compared; <see cref="Normalization.Exact" /> by default.</param>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field, AllowMultiple = true)]
public sealed class BlindIndexAttribute(Normalization normalization = Normalization.Exact) : Attribute
{
    /// <summary>Gets what is made equal before values are compared. Only text can have another than <see cref="Normalization.Exact" />.</summary>
    /// <value>The default is <see cref="Normalization.Exact" />.</value>
    public Normalization Normalization { get; } = normalization;

    /// <summary>Gets or sets which part of the normalized value is compared. Only text can have another than the whole.</summary>
    /// <value>The default is <see cref="BlindIndexProjection.Whole" />.</value>
    public BlindIndexProjection Projection { get; set; }

    /// <summary>
    /// Gets or sets how many characters the first or last ones are: Unicode scalar values of the normalized text, so that an emoji
    /// counts once. A shorter value is taken whole.
    /// </summary>
    /// <value>The default is 0: not set. It must be set with a projection, and only then.</value>
    public int Characters { get; set; }

    /// <summary>
    /// Gets or sets how many bytes of the keyed hash are kept, from 8 to 32; the column holds 5 more. Different values that share a hash are equal to
    /// queries and to a unique index: with 16 bytes that does not happen, with 8 once in some billions of rows.
    /// </summary>
    /// <value>The default is 16.</value>
    public int Length { get; set; } = BlindIndexContext.DefaultLength;

    /// <summary>Gets or sets whether no two rows may have equal values.</summary>
    /// <value>The default is <see langword="false" />.</value>
    public bool IsUnique { get; set; }

    /// <summary>Gets or sets the name of the column that holds the index.</summary>
    /// <value>The default is <see langword="null" />: the name of the property's column, with a suffix.</value>
    public string? Name { get; set; }

    /// <summary>
    /// Gets or sets whether rows may lack their hash, for a table that had rows before it had the index. Queries refuse to use the index until this is
    /// removed, which makes the database check that no row lacks it.
    /// </summary>
    /// <value>The default is <see langword="false" />.</value>
    public bool AllowMissingWhileBackfilling { get; set; }
}

/// <summary>
/// Gives several encrypted properties of this type one blind index, for queries that compare all of them at once. Two rows are equal if each
/// property's values are equal.
/// </summary>
/// <param name="properties">The names of the properties, in the order in which they are hashed.</param>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
public sealed class CompoundBlindIndexAttribute(params string[] properties) : Attribute
{
    /// <summary>Gets the names of the properties, in the order in which they are hashed.</summary>
    public IReadOnlyList<string> Properties { get; } = properties;

    /// <summary>Gets or sets how many bytes of the keyed hash are kept, from 8 to 32; the column holds 5 more.</summary>
    /// <value>The default is 16.</value>
    public int Length { get; set; } = BlindIndexContext.DefaultLength;

    /// <summary>Gets or sets whether no two rows may have equal values in all of the properties.</summary>
    /// <value>The default is <see langword="false" />.</value>
    public bool IsUnique { get; set; }

    /// <summary>Gets or sets the name of the column that holds the index.</summary>
    /// <value>The default is <see langword="null" />: the names of the properties' columns, with a suffix.</value>
    public string? Name { get; set; }

    /// <summary>
    /// Gets or sets whether rows may lack their hash, for a table that had rows before it had the index. Queries refuse to use the index until this is
    /// removed, which makes the database check that no row lacks it.
    /// </summary>
    /// <value>The default is <see langword="false" />.</value>
    public bool AllowMissingWhileBackfilling { get; set; }
}

/// <summary>What is made equal before values are compared by a blind index. All but <see cref="Exact" /> are for text.</summary>
/// <remarks>
/// No culture takes part. <see cref="CaseInsensitive" />, <see cref="Trimmed" /> and <see cref="Email" /> compose Unicode text, which a
/// process in globalization-invariant mode cannot: it is refused there.
/// </remarks>
public enum Normalization
{
    /// <summary>
    /// Nothing: values are equal as <see cref="object.Equals(object)" /> compares them. Text is compared ordinally; 1.5 equals 1.50, 0.0
    /// equals -0.0, and every NaN every other; the kind of a <see cref="DateTime" /> and the offset of a <see cref="DateTimeOffset" /> do
    /// not count. Arrays of bytes are equal if their bytes are.
    /// </summary>
    Exact = 0,

    /// <summary>
    /// Upper and lower case, and composed and decomposed letters. ß and ss stay different, and no character beyond ASCII is equal to an
    /// ASCII one: neither the dotless ı to i, nor the long ſ to s, nor the Kelvin sign to k.
    /// </summary>
    CaseInsensitive = 1,

    /// <summary>White space at both ends, and composed and decomposed letters.</summary>
    Trimmed = 2,

    /// <summary>Everything but decimal digits is left out, and digits of all scripts count as 0 to 9: for telephone and account numbers.</summary>
    DigitsOnly = 3,

    /// <summary>
    /// <see cref="Trimmed" /> and <see cref="CaseInsensitive" />, for the local part, too. Dots, tags after a plus sign, and
    /// internationalized domain names stay as they are.
    /// </summary>
    Email = 4,
}

/// <summary>Which part of a normalized value a blind index compares.</summary>
public enum BlindIndexProjection
{
    /// <summary>The whole value: serves equality.</summary>
    Whole = 0,

    /// <summary>The first characters: serves <c>StartsWith</c> with a text of exactly so many.</summary>
    First = 1,

    /// <summary>The last characters: serves <c>EndsWith</c> with a text of exactly so many.</summary>
    Last = 2,
}
