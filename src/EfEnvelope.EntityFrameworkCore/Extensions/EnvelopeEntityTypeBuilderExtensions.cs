using System.Linq.Expressions;
using EfEnvelope;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Configures blind indexes over several properties.</summary>
public static class EnvelopeEntityTypeBuilderExtensions
{
    /// <summary>
    /// Gives several encrypted properties one blind index together, as <see cref="CompoundBlindIndexAttribute" /> does: a query that compares all of them
    /// with values finds the rows, and shows nothing of each alone.
    /// </summary>
    /// <typeparam name="TEntity">The entity's type.</typeparam>
    /// <param name="entity">The entity type.</param>
    /// <param name="properties">The properties, such as <c>p => new { p.LastName, p.BirthDate }</c>.</param>
    /// <param name="normalizations">How each property is normalized, in their order, or <see langword="null" /> for <see cref="Normalization.Exact" />.</param>
    /// <param name="length">How many bytes of the keyed hash are kept, from 8 to 32.</param>
    /// <param name="isUnique">Whether no two rows may have equal values in all of them.</param>
    /// <param name="name">The name of the column that holds it, or <see langword="null" /> for the columns' names with a suffix.</param>
    /// <param name="allowMissingWhileBackfilling">
    /// For a table that has rows: adds the column without requiring that every row has its hash. Queries refuse to use the index until this is removed.
    /// </param>
    /// <returns>The same builder.</returns>
    public static EntityTypeBuilder<TEntity> HasBlindIndex<TEntity>(
        this EntityTypeBuilder<TEntity> entity,
        Expression<Func<TEntity, object?>> properties,
        IReadOnlyList<Normalization>? normalizations = null,
        int length = 16,
        bool isUnique = false,
        string? name = null,
        bool allowMissingWhileBackfilling = false)
        where TEntity : class
    {
        ArgumentNullException.ThrowIfNull(entity);
        Ask(entity.Metadata, properties, normalizations, length, isUnique, name, allowMissingWhileBackfilling);
        return entity;
    }

    /// <inheritdoc cref="HasBlindIndex{TEntity}(EntityTypeBuilder{TEntity}, Expression{Func{TEntity, object}}, IReadOnlyList{Normalization}, int, bool, string, bool)" />
    /// <typeparam name="TOwner">The type of the owner.</typeparam>
    /// <typeparam name="TEntity">The owned type.</typeparam>
    public static OwnedNavigationBuilder<TOwner, TEntity> HasBlindIndex<TOwner, TEntity>(
        this OwnedNavigationBuilder<TOwner, TEntity> entity,
        Expression<Func<TEntity, object?>> properties,
        IReadOnlyList<Normalization>? normalizations = null,
        int length = 16,
        bool isUnique = false,
        string? name = null,
        bool allowMissingWhileBackfilling = false)
        where TOwner : class
        where TEntity : class
    {
        ArgumentNullException.ThrowIfNull(entity);
        Ask(entity.OwnedEntityType, properties, normalizations, length, isUnique, name, allowMissingWhileBackfilling);
        return entity;
    }

    /// <summary>
    /// Accepts SQL of this entity type in the model (check constraints, index filters, computed columns, defaults, <c>ToSqlQuery</c>) that names encrypted
    /// columns. Such SQL sees envelopes and hashes, not values: a comparison or a length says nothing of the value, and a computed column stores ciphertext.
    /// </summary>
    /// <typeparam name="TEntity">The entity's type.</typeparam>
    /// <param name="entity">The entity type.</param>
    /// <returns>The same builder.</returns>
    public static EntityTypeBuilder<TEntity> AllowSqlOverCiphertext<TEntity>(this EntityTypeBuilder<TEntity> entity)
        where TEntity : class
    {
        AllowSqlOverCiphertext((EntityTypeBuilder)entity);
        return entity;
    }

    /// <inheritdoc cref="AllowSqlOverCiphertext{TEntity}(EntityTypeBuilder{TEntity})" />
    public static EntityTypeBuilder AllowSqlOverCiphertext(this EntityTypeBuilder entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        entity.Metadata.SetAnnotation(EnvelopeAnnotations.SqlOverCiphertext, true);
        return entity;
    }

    /// <inheritdoc cref="AllowSqlOverCiphertext{TEntity}(EntityTypeBuilder{TEntity})" />
    /// <typeparam name="TOwner">The type of the owner.</typeparam>
    /// <typeparam name="TEntity">The owned type.</typeparam>
    public static OwnedNavigationBuilder<TOwner, TEntity> AllowSqlOverCiphertext<TOwner, TEntity>(this OwnedNavigationBuilder<TOwner, TEntity> entity)
        where TOwner : class
        where TEntity : class
    {
        ArgumentNullException.ThrowIfNull(entity);
        entity.OwnedEntityType.SetAnnotation(EnvelopeAnnotations.SqlOverCiphertext, true);
        return entity;
    }

    private static void Ask<TEntity>(
        IMutableEntityType type,
        Expression<Func<TEntity, object?>> properties,
        IReadOnlyList<Normalization>? normalizations,
        int length,
        bool isUnique,
        string? name,
        bool allowMissing)
    {
        ArgumentNullException.ThrowIfNull(properties);
        var names = properties.GetMemberAccessList().Select(m => m.Name).ToList();
        if (type.Model.FindAnnotation(EnvelopeAnnotations.Enabled) is null)
            throw new EnvelopeConfigurationException(EnvelopeMessages.MarkedWithoutEncryption($"{type.DisplayName()}.{names[0]}"));
        EnvelopeAnnotations.Ask(
            type,
            new BlindIndexDefinition
            {
                Properties = names,
                Normalizations = normalizations ?? [.. names.Select(_ => Normalization.Exact)],
                Length = length,
                IsUnique = isUnique,
                Name = name,
                AllowsMissing = allowMissing,
            });
    }
}
