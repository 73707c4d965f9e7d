using System.CommandLine;
using System.Globalization;
using EfEnvelope.Cli.Output;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary><c>cost</c>: what KMSes were asked in a month, as measured, and what that costs by the user's price list.</summary>
internal static class CostCommand
{
    public static Command Create(Wiring wiring)
    {
        var prices = new Option<string?>("--prices") { Description = CliMessages.PricesOption() };
        var month = new Option<string?>("--month") { Description = CliMessages.MonthOption() };
        return wiring.On(new Command("cost", CliMessages.CostCommand()) { prices, month }, call => RunAsync(call, prices, month));
    }

    private static async Task<int> RunAsync(Call call, Option<string?> pricesOption, Option<string?> monthOption)
    {
        var now = call.Host.TimeProvider.GetUtcNow();
        var month = call.Get(monthOption) is { } text ? ParseMonth(text, now) : new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero);
        var prices = call.Get(pricesOption) is { } path ? PriceList.Parse(Files.ReadText(call, path), Files.Full(call, path)) : null;
        var database = call.Open();
        await using (database.ConfigureAwait(false))
        {
            var usage = await database.Keys.GetKmsUsageAsync(call.Cancellation).ConfigureAwait(false);
            var copies = await database.Keys.ListCopiesAsync(askKms: false, call.Cancellation).ConfigureAwait(false);
            var report = CostReport.Make(
                month,
                now,
                [.. usage.Where(u => (u.Year, u.Month) == (month.Year, month.Month))],
                [.. copies.Where(c => c.State != KekCopyState.Missing && c.Kek.Length > 0).Select(c => c.Kek).Distinct()],
                prices);
            if (call.Console.IsJson)
                call.Console.WriteJson(report);
            else
                Show(call.Console, report);
            Say(call.Console, report);
            return ExitCodes.Ok;
        }
    }

    private static DateTimeOffset ParseMonth(string text, DateTimeOffset now)
        => DateTimeOffset.TryParseExact(text, "yyyy-MM", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var month) && month <= now
            ? month
            : throw new EnvelopeConfigurationException(CliMessages.MalformedMonth(text));

    private static void Show(ToolConsole console, CostReport report)
    {
        console.Facts([("month", report.Month), ("elapsed", CliMessages.Percent(report.Elapsed)), ("keys", Views.Count(report.Keys.Count))]);
        console.Table(
            ["kek", "operation", "requests measured", "requests in the whole month"],
            report.Requests.Select(r => (IReadOnlyList<string>)[r.Kek, r.Operation, Views.Count(r.Measured), Views.Count(r.WholeMonth)]));
        if (report.Costs is not { } costs)
            return;
        console.Table(
            ["price of", "keys", "requests", "free", "charged", "cost of keys", "cost of requests", "cost"],
            costs.Select(c => (IReadOnlyList<string>)
            [
                c.PriceOf, Views.Count(c.Keys), Views.Count(c.Requests), Views.Count(c.Free), Views.Count(c.Charged), Money(c.CostOfKeys), Money(c.CostOfRequests), Money(c.Cost),
            ]));
        console.Facts([("total", $"{Money(report.Total!.Value)} {report.Currency}")]);
    }

    private static void Say(ToolConsole console, CostReport report)
    {
        if (report.Elapsed < 1)
            console.Note(CliMessages.Projected(CliMessages.Percent(report.Elapsed)));
        if (report.Costs is null)
            console.Note(CliMessages.NoPriceList());
        foreach (var kek in report.WithoutPrice)
            console.Note(CliMessages.NoPrice(kek));
        console.Note(CliMessages.UsageCounts());
    }

    private static string Money(decimal amount) => amount.ToString("0.00######", CultureInfo.InvariantCulture);
}
