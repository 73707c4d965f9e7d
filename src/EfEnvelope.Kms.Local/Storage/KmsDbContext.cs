using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>Opens connections to a database of a server with the provider that was given, its retries and what intercepts its connections.
/// It has no model: see <see cref="KmsSession" />.</summary>
internal sealed class KmsDbContext(DbContextOptions<KmsDbContext> options) : DbContext(options);
