using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>The KMS clients and cached key rings of one configuration; shared by all contexts that have it.</summary>
internal sealed class EnvelopeRuntime : IDisposable
{
    private readonly Lazy<KeyRingCache> _rings;

    public EnvelopeRuntime(EnvelopeOptionsBuilder configuration)
        => _rings = new Lazy<KeyRingCache>(
            () =>
            {
                var services = new KmsServices(configuration.TimeProvider, Loggers);
                return new KeyRingCache(
                    [.. configuration.Kms.Select(kms => kms.Create(services))],
                    configuration.Options,
                    configuration.TimeProvider,
                    Loggers.CreateLogger("EfEnvelope.Keys"));
            });

    public ContextLoggerFactory Loggers { get; } = new();

    public KeyRingCache Rings => _rings.Value;

    public void Dispose()
    {
        if (_rings.IsValueCreated)
            _rings.Value.Dispose();
    }
}
