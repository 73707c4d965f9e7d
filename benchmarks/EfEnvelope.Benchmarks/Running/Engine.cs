using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What encrypts, or that nothing does.</summary>
public enum Engine
{
    Plain,
    Platform,
    Sodium,
}

internal static class Engines
{
    /// <summary>Chooses an engine that encrypts.</summary>
    public static EnvelopeOptionsBuilder UseEngine(this EnvelopeOptionsBuilder envelope, Engine engine)
        => engine == Engine.Sodium ? envelope.UseSodium() : envelope;
}
