using EfEnvelope;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Turns on envelope encryption for a context.</summary>
public static class EnvelopeDbContextOptionsBuilderExtensions
{
    /// <summary>
    /// Encrypts the properties that are marked <see cref="EncryptedAttribute" /> or <c>IsEncrypted()</c>. Call it after the database
    /// provider, such as <c>UseNpgsql(…)</c>.
    /// </summary>
    /// <param name="options">The context's options.</param>
    /// <param name="configure">Names a KMS, such as <c>envelope.UseLocalKms(…)</c>, and changes defaults.</param>
    /// <returns>The same builder.</returns>
    public static DbContextOptionsBuilder UseEnvelopeEncryption(
        this DbContextOptionsBuilder options, Action<EnvelopeOptionsBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(configure);
        var envelope = new EnvelopeOptionsBuilder();
        configure(envelope);
        ((IDbContextOptionsBuilderInfrastructure)options).AddOrUpdateExtension(new EnvelopeOptionsExtension(envelope));
        return options;
    }

    /// <inheritdoc cref="UseEnvelopeEncryption(DbContextOptionsBuilder, Action{EnvelopeOptionsBuilder})" />
    /// <typeparam name="TContext">The context's type.</typeparam>
    public static DbContextOptionsBuilder<TContext> UseEnvelopeEncryption<TContext>(
        this DbContextOptionsBuilder<TContext> options, Action<EnvelopeOptionsBuilder> configure)
        where TContext : DbContext
    {
        UseEnvelopeEncryption((DbContextOptionsBuilder)options, configure);
        return options;
    }
}
