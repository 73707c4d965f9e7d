using System.Text.Json;

namespace EfEnvelope.Cli.Commands;

/// <summary>What KMSes cost, as the user's own contract says: by the scheme of a KEK, or by a whole KEK URI, which goes first.</summary>
internal sealed record PriceList(string Currency, IReadOnlyDictionary<string, PriceList.Entry> Entries)
{
    private const decimal Highest = 1_000_000_000m;

    private static readonly JsonDocumentOptions Options = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, AllowDuplicateProperties = false };

    /// <summary>Reads the list. A field that is not known is refused: a price that was mistyped must not count as none.</summary>
    public static PriceList Parse(string text, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(text, Options);
            var fields = Fields(document.RootElement, path, null, ["currency", "kms"]);
            return fields.TryGetValue("currency", out var currency) && currency.ValueKind == JsonValueKind.String && fields.TryGetValue("kms", out var kms)
                ? new PriceList(currency.GetString()!, Fields(kms, path, "kms", null).ToDictionary(p => p.Key, p => ReadEntry(p.Value, path, p.Key), StringComparer.Ordinal))
                : throw new EnvelopeConfigurationException(CliMessages.MalformedPrices(path, null));
        }
        catch (JsonException)
        {
            throw new EnvelopeConfigurationException(CliMessages.MalformedPrices(path, null));
        }
    }

    /// <summary>Finds which entry has the price of a KEK.</summary>
    public string? Find(string kek)
        => Entries.ContainsKey(kek) ? kek : kek.Split(':')[0] is var scheme && Entries.ContainsKey(scheme) ? scheme : null;

    private static Entry ReadEntry(JsonElement element, string path, string name)
    {
        var fields = Fields(element, path, name, ["perKeyPerMonth", "per10000Requests", "freeRequestsPerMonth"]);
        return new Entry(Amount("perKeyPerMonth"), Amount("per10000Requests"), Amount("freeRequestsPerMonth") is var free && free == decimal.Truncate(free) ? (long)free : throw Malformed("freeRequestsPerMonth"));

        decimal Amount(string field)
            => !fields.TryGetValue(field, out var value) ? 0
                : value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var amount) && amount is >= 0 and <= Highest ? amount
                : throw Malformed(field);

        EnvelopeConfigurationException Malformed(string field) => new(CliMessages.MalformedPrices(path, $"{name}.{field}"));
    }

    private static Dictionary<string, JsonElement> Fields(JsonElement element, string path, string? name, string[]? known)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw new EnvelopeConfigurationException(CliMessages.MalformedPrices(path, name));
        var fields = element.EnumerateObject().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
        return known is not null && fields.Keys.Except(known).FirstOrDefault() is { } unknown
            ? throw new EnvelopeConfigurationException(CliMessages.MalformedPrices(path, name is null ? unknown : $"{name}.{unknown}"))
            : fields;
    }

    /// <summary>One price.</summary>
    internal sealed record Entry(decimal PerKeyPerMonth, decimal Per10000Requests, long FreeRequestsPerMonth);
}
