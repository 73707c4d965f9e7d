using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>The KMS clients and cached key rings of one configuration; shared by all contexts that have it.</summary>
internal sealed class EnvelopeRuntime : IDisposable
{
    private readonly Lazy<KeyRingCache> _rings;
    private readonly List<IDisposable> _clients = [];

    public EnvelopeRuntime(EnvelopeOptionsBuilder configuration)
        => _rings = new Lazy<KeyRingCache>(
            () =>
            {
                var services = new KmsServices(configuration.TimeProvider, Loggers);
                return new KeyRingCache(
                    [.. configuration.Kms.Select(kms => Create(kms, services))],
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
        _clients.ForEach(c => c.Dispose());
    }

    // A client of the caller's own is its identity, and stays the caller's.
    private IKeyWrapper Create(KmsRegistration kms, KmsServices services)
    {
        var client = kms.Create(services);
        if (client is IDisposable owned && !ReferenceEquals(client, kms.Identity))
            _clients.Add(owned);
        return client;
    }
}
