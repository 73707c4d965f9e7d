using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>All that works on keys behind the gate.</summary>
internal sealed class KeyParts
{
    public KeyParts(KeyGuard guard, ILogger logger)
    {
        Life = new KeyLife(guard);
        Catalog = new KeyCatalog(guard);
        Wrapping = new KekWrapping(guard, Life, logger);
        Signing = new KeySigning(guard, Life);
        Import = new KeyImport(guard, Life);
        Guard = guard;
    }

    public KeyGuard Guard { get; }

    public KeyLife Life { get; }

    public KeyCatalog Catalog { get; }

    public KekWrapping Wrapping { get; }

    public KeySigning Signing { get; }

    public KeyImport Import { get; }
}
