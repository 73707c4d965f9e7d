using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>The KMS clients and cached key rings of one configuration; shared by all contexts that have it.</summary>
internal sealed class EnvelopeRuntime : IDisposable
{
    private readonly Lazy<KeyRingCache> _rings;
    private readonly List<IDisposable> _clients = [];

    public EnvelopeRuntime(EnvelopeOptionsBuilder configuration)
    {
        // The builder may be changed later; the runtime is found by what it says now.
        var (options, time) = (configuration.Options, configuration.TimeProvider);
        KmsRegistration[] registrations = [.. configuration.Kms];
        KeptFor = KeyRingCache.KeptFor(options);
        _rings = new Lazy<KeyRingCache>(
            () =>
            {
                var services = new KmsServices(time, Loggers);
                return new KeyRingCache(
                    [.. registrations.Select(kms => Create(kms, services))], options, time, Loggers.CreateLogger("EfEnvelope.Keys"));
            });
    }

    /// <summary>Gets how long its rings are kept while nobody asks for them.</summary>
    public TimeSpan KeptFor { get; }

    public ContextLoggerFactory Loggers { get; } = new();

    public KeyRingCache Rings => _rings.Value;

    public void Dispose()
    {
        if (_rings.IsValueCreated)
            _rings.Value.Dispose();
        _clients.ForEach(c => c.Dispose());
    }

    /// <summary>Disposes of it where nobody is left to be told that a client failed to be.</summary>
    public void DisposeQuietly()
    {
        try
        {
            Dispose();
        }
        catch (Exception e)
        {
            Loggers.CreateLogger("EfEnvelope.Keys").KmsClientNotDisposed(e);
        }
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
