using System.Text.Json;
using System.Text.Json.Nodes;
using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>
/// A wrapped key as it is stored: one or more copies under different KEKs. Any one copy is enough to unwrap it; those whose
/// KEKs are configured are tried first, in order.
/// </summary>
public sealed class WrappedKey
{
    /// <summary>Makes a wrapped key of its copies.</summary>
    /// <param name="copies">One copy or more, in the order in which they are tried.</param>
    /// <exception cref="ArgumentException">There is no copy.</exception>
    public WrappedKey(params IReadOnlyList<WrappedKeyCopy> copies)
    {
        ArgumentNullException.ThrowIfNull(copies);
        if (copies.Count == 0)
            throw new ArgumentException(Messages.WrappedKeyWithoutCopy(), nameof(copies));
        Copies = copies.ToArray();
    }

    /// <summary>Gets the copies, in the order in which they are tried.</summary>
    public IReadOnlyList<WrappedKeyCopy> Copies { get; }

    /// <summary>Reads the stored form that <see cref="ToString" /> wrote.</summary>
    /// <param name="text">The stored form.</param>
    /// <returns>The wrapped key.</returns>
    /// <exception cref="FormatException">The text is not a wrapped key.</exception>
    public static WrappedKey Parse(string text)
    {
        try
        {
            var copies = JsonNode.Parse(text)!.AsArray().Select(
                node => new WrappedKeyCopy(
                    new KekUri(node!["kek"]!.GetValue<string>()),
                    node["version"]?.GetValue<string>(),
                    Convert.FromBase64String(node["key"]!.GetValue<string>())));
            return new WrappedKey([.. copies]);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or NullReferenceException or ArgumentException)
        {
            throw new FormatException(Messages.MalformedWrappedKey());
        }
    }

    /// <summary>Returns the stored form: a JSON array of <c>{"kek", "version", "key"}</c>, the key in Base64.</summary>
    /// <returns>The stored form.</returns>
    public override string ToString()
    {
        var copies = new JsonArray();
        foreach (var copy in Copies)
        {
            var node = new JsonObject { ["kek"] = copy.Kek.ToString() };
            if (copy.KekVersion is not null)
                node["version"] = copy.KekVersion;
            node["key"] = Convert.ToBase64String(copy.Ciphertext.Span);
            copies.Add(node);
        }

        return copies.ToJsonString();
    }
}
