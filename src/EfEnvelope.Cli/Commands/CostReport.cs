using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary>Requests and keys of one month, and what they cost. Amounts are decimal numbers, and nothing is rounded.</summary>
/// <param name="Month">The month, such as <c>2026-11</c>.</param>
/// <param name="Elapsed">Which part of it has passed, 1 when it is over.</param>
/// <param name="Keys">The KEKs that keys are under now.</param>
/// <param name="Requests">What was asked of each KEK.</param>
/// <param name="Currency">The price list's currency, or <see langword="null" /> without one.</param>
/// <param name="Costs">What each price comes to, or <see langword="null" /> without a price list.</param>
/// <param name="Total">The sum of them.</param>
/// <param name="WithoutPrice">The KEKs that the price list has nothing for.</param>
internal sealed record CostReport(
    string Month,
    decimal Elapsed,
    IReadOnlyList<string> Keys,
    IReadOnlyList<CostReport.Row> Requests,
    string? Currency,
    IReadOnlyList<CostReport.Charge>? Costs,
    decimal? Total,
    IReadOnlyList<string> WithoutPrice)
{
    // The embedded KMS and a recovery key are nobody's service.
    private static readonly string[] FreeSchemes = ["local", "recovery"];

    public static CostReport Make(DateTimeOffset month, DateTimeOffset now, IReadOnlyList<KmsUsageInfo> usage, IReadOnlyList<string> keks, PriceList? prices)
    {
        var (whole, passed) = (month.AddMonths(1) - month, now - month);
        var isOver = passed >= whole;
        Row[] rows = [.. usage.Select(u => new Row(u.Kek, u.Operation, u.Requests, isOver || passed <= TimeSpan.Zero ? u.Requests : (long)Math.Ceiling((decimal)u.Requests * whole.Ticks / passed.Ticks)))];
        string[] keys = [.. keks.Order(StringComparer.Ordinal)];
        var elapsed = isOver ? 1m : Math.Round((decimal)passed.Ticks / whole.Ticks, 4);
        var name = FormattableString.Invariant($"{month:yyyy-MM}");
        if (prices is null)
            return new CostReport(name, elapsed, keys, rows, null, null, null, []);
        var charges = new List<Charge>();
        var without = new List<string>();
        foreach (var group in keys.Concat(rows.Select(r => r.Kek)).Distinct().GroupBy(prices.Find).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var members = group.ToHashSet();
            if (group.Key is { } of)
                charges.Add(Charge.Of(of, prices.Entries[of], keys.Count(members.Contains), rows.Where(r => members.Contains(r.Kek)).Sum(r => r.WholeMonth)));
            else
                without.AddRange(members.Where(k => !FreeSchemes.Contains(k.Split(':')[0])).Order(StringComparer.Ordinal));
        }

        return new CostReport(name, elapsed, keys, rows, prices.Currency, charges, charges.Sum(c => c.Cost), without);
    }

    /// <summary>Requests of one kind to one KEK: as measured, and carried forward to the whole month.</summary>
    internal sealed record Row(string Kek, string Operation, long Measured, long WholeMonth);

    /// <summary>What one price of the list comes to in the whole month. What is free is free once, for all KEKs that have this price.</summary>
    internal sealed record Charge(string PriceOf, int Keys, long Requests, long Free, long Charged, decimal CostOfKeys, decimal CostOfRequests, decimal Cost)
    {
        public static Charge Of(string name, PriceList.Entry price, int keys, long requests)
        {
            var charged = Math.Max(0, requests - price.FreeRequestsPerMonth);
            var (forKeys, forRequests) = (keys * price.PerKeyPerMonth, charged * price.Per10000Requests / 10_000m);
            return new Charge(name, keys, requests, Math.Min(requests, price.FreeRequestsPerMonth), charged, forKeys, forRequests, forKeys + forRequests);
        }
    }
}
