using System.Buffers.Text;
using System.ComponentModel;
using System.Linq.Expressions;
using System.Text;
using EfEnvelope.Diagnostics;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore;

/// <summary>
/// A value of a text column that holds envelopes as text. It appears in migrations as the type of such columns; applications never handle it.
/// </summary>
public sealed class TextEnvelope : Envelope
{
    //  +-------------------+-----------------------------------------------+
    //  | "efenvelope:v1:"  | the envelope in Base64url, without padding    |    ASCII only
    //  +-------------------+-----------------------------------------------+
    // A text that starts like this is an envelope and nothing else. It must never change.
    internal const string Prefix = "efenvelope:v1:";

    private readonly Envelope? _envelope;
    private readonly string? _plaintext;

    private TextEnvelope(Envelope? envelope, string? plaintext) => (_envelope, _plaintext) = (envelope, plaintext);

    internal override string FieldName => _envelope?.FieldName ?? "plaintext";

    /// <summary>Gets what is to be sealed, or <see langword="null" /> when a plaintext is looked for.</summary>
    internal PendingEnvelope? Pending => _envelope as PendingEnvelope;

    /// <summary>Carries a plaintext towards a text column. EF Core calls this; it is public for compiled models.</summary>
    /// <typeparam name="T">The type whose canonical bytes are encrypted.</typeparam>
    /// <param name="value">The plaintext.</param>
    /// <param name="field">The stable name of the column.</param>
    /// <param name="algorithm">The number of the algorithm.</param>
    /// <param name="unique">Whether a unique index compares the value.</param>
    /// <param name="storesPlaintext">Whether the value is stored in clear text, because the column is being decrypted.</param>
    /// <returns>The carrier.</returns>
    /// <exception cref="EnvelopeConfigurationException">The value would be stored in clear text, and look like an envelope.</exception>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static TextEnvelope From<T>(T value, string field, int algorithm, bool unique, bool storesPlaintext)
        => value is null ? null! : new(Envelope.From(value, field, algorithm, unique), !storesPlaintext ? null
            : value is string text && text.StartsWith(Prefix, StringComparison.Ordinal) ? throw new EnvelopeConfigurationException(EnvelopeMessages.PlaintextLooksEncrypted(field))
            : value as string);

    /// <summary>Opens what was read from a text column. EF Core calls this; it is public for compiled models.</summary>
    /// <param name="envelope">The carrier.</param>
    /// <param name="field">The stable name of the column.</param>
    /// <param name="allowPlaintext">Whether a text that is no envelope is returned as it is, because the column is being backfilled.</param>
    /// <returns>The plaintext.</returns>
    /// <exception cref="EnvelopeDecryptionException">The value was altered, moved, or not written by EfEnvelope.</exception>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static string To(TextEnvelope envelope, string field, bool allowPlaintext)
        => envelope switch
        {
            { _envelope: { } stored } => To<string>(stored, field),
            { _plaintext: { } text } when allowPlaintext => text,
            _ => throw new EnvelopeDecryptionException(Messages.NotAnEnvelope(field)),
        };

    /// <summary>Called by compiled queries for every encrypted text column that is read.</summary>
    internal static TextEnvelope Read(string text, EnvelopeSession session)
        => !text.StartsWith(Prefix, StringComparison.Ordinal) ? new TextEnvelope(null, text)
            : TryDecode(text) is { } bytes ? Of(new StoredEnvelope(bytes, session))

            // What starts like an envelope and is none was altered; it is never taken for a plaintext.
            : Of(new StoredEnvelope([], session));

    internal static TextEnvelope Of(Envelope envelope) => new(envelope, null);

    /// <summary>
    /// Carries a plaintext that a query looks for in a column that is being backfilled. No plaintext there starts like an envelope; what would find an
    /// envelope by its stored text finds nothing.
    /// </summary>
    internal static TextEnvelope? OfPlaintext(string? text)
        => text is null ? null : new(null, text.StartsWith(Prefix, StringComparison.Ordinal) ? Prefix : text);

    /// <summary>Generates the call that makes this carrier, for the source of compiled models.</summary>
    internal Expression GenerateCode()
    {
        var inner = (MethodCallExpression)((PlaintextEnvelope)_envelope!).GenerateCode();
        return Expression.Call(EnvelopeConverters.FindFrom(typeof(TextEnvelope)).MakeGenericMethod(inner.Method.GetGenericArguments()), [.. inner.Arguments, Expression.Constant(_plaintext is not null)]);
    }

    internal string? Seal(RoleKeys keys)
        => Pending is not { } pending || IsStoredPlain ? _plaintext!
            : pending.Seal(keys) is { } bytes ? Encode(bytes)
            : null;

    internal static string Encode(ReadOnlySpan<byte> envelope) => Prefix + Base64Url.EncodeToString(envelope);

    // Only what is written is stored in clear text: a query still looks for both forms.
    private bool IsStoredPlain => Pending is { } pending && _plaintext is not null && pending.Role.Writes();

    /// <summary>Measures the text that <see cref="Seal" /> will return.</summary>
    internal int Length => Pending is { } pending && !IsStoredPlain ? LengthOf(pending.EnvelopeLength) : _plaintext?.Length ?? 0;

    internal static int LengthOf(int envelopeLength) => Prefix.Length + Base64Url.GetEncodedLength(envelopeLength);

    /// <summary>Returns the longest envelope that fits into so many characters.</summary>
    internal static int EnvelopeLengthIn(int characters) => (characters - Prefix.Length) * 3 / 4;

    /// <inheritdoc />
    public override bool Equals(object? obj)
        => obj is TextEnvelope other && Equals(other._envelope, _envelope) && other._plaintext == _plaintext;

    /// <inheritdoc />
    public override int GetHashCode() => HashCode.Combine(_envelope, _plaintext);

    internal static byte[]? TryDecode(string text)
    {
        var encoded = text.AsSpan(Prefix.Length);
        try
        {
            var bytes = Base64Url.DecodeFromChars(encoded);
            return IsOurs(encoded, bytes) ? bytes : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    // An envelope has one text. White space, padding and stray bits at the end, which the decoder lets pass, would hide a row from queries.
    private static bool IsOurs(ReadOnlySpan<char> encoded, byte[] bytes)
    {
        Span<char> end = stackalloc char[4];
        var length = Base64Url.EncodeToChars(bytes.AsSpan(bytes.Length - (bytes.Length % 3)), end);
        return encoded.Length == Base64Url.GetEncodedLength(bytes.Length) && encoded.EndsWith(end[..length], StringComparison.Ordinal);
    }
}
