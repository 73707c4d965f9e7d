using System.Globalization;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>
/// Keeps in the key store how many requests each KEK had in each month, so that what a KMS costs can be told as it was measured, over all processes. It is
/// written after a ring was read, and never on the way of a value.
/// </summary>
internal static class KmsUsageRecord
{
    /// <summary>Adds what was counted since the last time. That it cannot be written now is no failure: it is tried again with the next ring.</summary>
    public static async ValueTask FlushAsync(IKeyStore store, KmsUsage usage, DateTimeOffset storeTime, CancellationToken cancellationToken)
    {
        if (store.IsInTransaction)
            return;
        var left = new Queue<(KekUri Kek, KmsOperation Operation, long Requests)>(usage.Take());
        try
        {
            while (left.TryPeek(out var count)
                && await store.ReserveAsync(MonthOf(storeTime), FieldOf(count.Kek, count.Operation), count.Requests, cancellationToken).ConfigureAwait(false) is not null)
                left.Dequeue();
        }
        catch (Exception e) when (e is EnvelopeException or OverflowException)
        {
            // A store that is out of reach for one is so for all; a count that was altered was not made by counting.
        }
        finally
        {
            foreach (var (kek, operation, requests) in left)
                usage.Add(kek, operation, requests);
        }
    }

    /// <summary>Names a month in the key store, such as <c>~kms:v202611</c>.</summary>
    public static KeyVersion MonthOf(DateTimeOffset time) => new(KeyScope.KmsUsage, (time.UtcDateTime.Year * 100) + time.UtcDateTime.Month);

    /// <summary>Reads what <see cref="FieldOf" /> wrote.</summary>
    public static (string Operation, string Kek) Parse(string field)
    {
        var space = field.IndexOf(' ', StringComparison.Ordinal);
        return space < 0 ? ("", field) : (field[..space], field[(space + 1)..]);
    }

    // The store holds names of 256 characters; the longest KEKs keep their beginning and a hash, so that two of them are two.
    private static string FieldOf(KekUri kek, KmsOperation operation)
    {
        const int Room = 240, Kept = 200;
        var name = kek.ToString();
        if (name.Length > Room)
            name = string.Create(CultureInfo.InvariantCulture, $"{name[..Kept]}…{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(name)).AsSpan(0, 8))}");
        return $"{operation.ToString().ToLowerInvariant()} {name}";
    }
}
