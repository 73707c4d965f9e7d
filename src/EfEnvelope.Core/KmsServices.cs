using Microsoft.Extensions.Logging;

namespace EfEnvelope;

/// <summary>What a key management service may use of its host.</summary>
/// <param name="TimeProvider">The clock.</param>
/// <param name="LoggerFactory">Where it logs; never keys or values.</param>
public sealed record KmsServices(TimeProvider TimeProvider, ILoggerFactory LoggerFactory);
