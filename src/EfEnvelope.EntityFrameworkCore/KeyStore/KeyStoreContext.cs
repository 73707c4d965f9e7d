using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// Opens connections of the key store's own as the application's context opens its: with its provider, its retries, and what intercepts its
/// connections. It has
/// no model; <see cref="StoreLink" /> reads and writes.
/// </summary>
internal sealed class KeyStoreContext(DbContextOptions<KeyStoreContext> options) : DbContext(options);
