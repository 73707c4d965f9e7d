using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace EfEnvelope.Diagnostics;

/// <summary>
/// What is seen from outside, under the one name <c>EfEnvelope</c>: an <see cref="ActivitySource" /> and a <see cref="Meter" />. Names of keys, KEKs and scopes may
/// appear, keys and values never. The names of instruments and tags never change.
/// </summary>
internal static class EnvelopeTelemetry
{
    public const string Name = "EfEnvelope";

    public static readonly ActivitySource Activities = new(Name);

    public static readonly Meter Meter = new(Name);

    public static readonly Histogram<double> KmsDuration = Meter.CreateHistogram<double>(
        "efenvelope.kms.duration", "s", "How long requests to key management services took, with retries; tags: kms, operation, error.");

    public static readonly Counter<long> RingUses = Meter.CreateCounter<long>(
        "efenvelope.keyring.uses", "{use}", "How often a key ring was asked for; tag result: hit, refresh.");

    public static readonly Histogram<double> RingLoads = Meter.CreateHistogram<double>(
        "efenvelope.keyring.load.duration", "s", "How long key rings took to load; tag error.");

    public static readonly Gauge<double> BudgetUsed = Meter.CreateGauge<double>(
        "efenvelope.key.budget.used", "1", "How much of the 2^32 values of a column under a key version is reserved; tags: column, key_version.");

    public static readonly Counter<long> ValuesEncrypted = Meter.CreateCounter<long>("efenvelope.values.encrypted", "{value}", "Values encrypted.");

    public static readonly Counter<long> ValuesDecrypted = Meter.CreateCounter<long>("efenvelope.values.decrypted", "{value}", "Values decrypted.");

    public static readonly Counter<long> Failures = Meter.CreateCounter<long>(
        "efenvelope.failures", "{failure}", "What callers were told instead of a value; tag kind: unavailable, destroyed, decryption, configuration.");

    /// <summary>Counts a failure on its way to the caller. Always false, so that it can stand in an exception filter.</summary>
    public static bool Count(EnvelopeException failure)
    {
        Failures.Add(1, new KeyValuePair<string, object?>("kind", failure switch
        {
            EnvelopeDecryptionException => "decryption",
            KeyDestroyedException => "destroyed",
            EnvelopeConfigurationException or WrongKeyScopeException => "configuration",
            _ => "unavailable",
        }));
        return false;
    }
}
