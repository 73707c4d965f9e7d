using System.Data.Common;
using System.Linq.Expressions;
using EfEnvelope;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace Microsoft.EntityFrameworkCore;

/// <summary>
/// Encrypts and decrypts single values for raw SQL: <c>FromSql</c>, <c>ExecuteSql</c>, a command of one's own, or Dapper (by the parameter's value). EF Core
/// does it by itself everywhere else.
/// </summary>
public static class EnvelopeRawSqlExtensions
{
    /// <summary>Encrypts a value for an <c>INSERT</c> or <c>UPDATE</c>.</summary>
    /// <typeparam name="TEntity">The entity's type.</typeparam>
    /// <typeparam name="TProperty">The property's type.</typeparam>
    /// <param name="database">The context's database.</param>
    /// <param name="property">An encrypted property, such as <c>p => p.Ssn</c>.</param>
    /// <param name="value">The value.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>New parameters of the provider's type, each to be used in one command.</returns>
    /// <exception cref="EnvelopeConfigurationException">The property is not encrypted.</exception>
    /// <exception cref="KeyUnavailableException">The key store or the KMS cannot be reached.</exception>
    public static async Task<EncryptedParameters> EncryptParametersAsync<TEntity, TProperty>(
        this DatabaseFacade database, Expression<Func<TEntity, TProperty>> property, TProperty value, CancellationToken cancellationToken = default)
        where TEntity : class
    {
        var (encrypted, session) = Find(database, property);
        List<(string Column, RelationalTypeMapping)> mappings = [(ColumnOf(encrypted.Property), encrypted.Property.GetRelationalTypeMapping())];
        if (encrypted.Next is { } next)
            mappings.Add((ColumnOf(next), MappingOf(next).ForParameter(encrypted.NextConverter)));
        foreach (var index in encrypted.Indexes.Where(i => !i.Definition.IsCompound))
        {
            mappings.Add((ColumnOf(index.Property), ForIndex(index, index.WriteRole)));
            if (index.Next is not null)
                mappings.Add((ColumnOf(index.Next), ForIndex(index, KeyRole.UniqueNext)));
        }

        var parameters = await CreateAsync(session, mappings, value, cancellationToken).ConfigureAwait(false);
        return new EncryptedParameters(parameters[0], mappings.Zip(parameters).Skip(1).ToDictionary(p => p.First.Column, p => p.Second));

        RelationalTypeMapping ForIndex(BlindIndex index, KeyRole role)
            => MappingOf(index.Property).ForParameter(EnvelopeConverters.ForIndex(encrypted.Converter, index, role, searches: false));
    }

    /// <summary>Encrypts a value for a comparison: deterministic properties and those with a blind index over the whole value.</summary>
    /// <typeparam name="TEntity">The entity's type.</typeparam>
    /// <typeparam name="TProperty">The property's type.</typeparam>
    /// <param name="database">The context's database.</param>
    /// <param name="property">An encrypted property, such as <c>p => p.Email</c>.</param>
    /// <param name="value">The value to look for; not null, for which SQL has <c>IS NULL</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The column to compare and new parameters, each to be used in one command: <c>WHERE column IN (…, …)</c>.</returns>
    /// <exception cref="EnvelopeConfigurationException">The property is not encrypted, or cannot be compared.</exception>
    /// <exception cref="KeyUnavailableException">The key store or the KMS cannot be reached.</exception>
    public static async Task<EncryptedSearchParameters> EncryptSearchParametersAsync<TEntity, TProperty>(
        this DatabaseFacade database, Expression<Func<TEntity, TProperty>> property, TProperty value, CancellationToken cancellationToken = default)
        where TEntity : class
    {
        ArgumentNullException.ThrowIfNull(value);
        var (encrypted, session) = Find(database, property);
        var index = encrypted.IsDeterministic ? null : encrypted.FindIndex(BlindIndexProjection.Whole);
        if (!encrypted.IsDeterministic && index is null)
            throw new EnvelopeConfigurationException(EnvelopeMessages.Refused(encrypted, "compare it"));
        if (index is not null && encrypted.AllowsPlaintext)
            throw new EnvelopeConfigurationException(EnvelopeMessages.SearchWhileBackfilling(encrypted.Name));
        if (index is { Definition.AllowsMissing: true })
            throw new EnvelopeConfigurationException(EnvelopeMessages.BlindIndexIncomplete(encrypted.Name, index.Name));
        var column = index?.Property ?? encrypted.Property;
        List<(string, RelationalTypeMapping)> mappings =
        [
            .. KeyRoles.Slots.Select(
                slot => (
                    ColumnOf(column),
                    MappingOf(column).ForParameter(
                        index is null
                            ? EnvelopeConverters.ForSlot(encrypted.Converter, slot)
                            : EnvelopeConverters.ForIndex(encrypted.Converter, index, slot, searches: true)))),
        ];
        if (encrypted.AllowsPlaintext)
            mappings.Add((ColumnOf(column), MappingOf(column).ForParameter(EnvelopeConverters.ForPlaintext(encrypted.Converter))));
        return new EncryptedSearchParameters(
            ColumnOf(column), await CreateAsync(session, mappings, value, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Decrypts a value that was read by raw SQL.</summary>
    /// <typeparam name="TEntity">The entity's type.</typeparam>
    /// <typeparam name="TProperty">The property's type.</typeparam>
    /// <param name="database">The context's database.</param>
    /// <param name="property">The encrypted property whose column it was read from.</param>
    /// <param name="stored">The bytes, or the text of a text column; null and <see cref="DBNull" /> give the default value.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The value.</returns>
    /// <exception cref="EnvelopeDecryptionException">The value was altered, moved, or not written by EfEnvelope.</exception>
    /// <exception cref="KeyUnavailableException">Its key cannot be had right now.</exception>
    /// <exception cref="KeyDestroyedException">Its key was destroyed.</exception>
    public static async Task<TProperty?> DecryptValueAsync<TEntity, TProperty>(
        this DatabaseFacade database, Expression<Func<TEntity, TProperty>> property, object? stored, CancellationToken cancellationToken = default)
        where TEntity : class
    {
        var (encrypted, session) = Find(database, property);
        if (stored is null or DBNull)
            return default;
        await session.LoadRingAsync(RingUse.Read, cancellationToken).ConfigureAwait(false);
        object envelope = (stored, encrypted.IsText) switch
        {
            (byte[] bytes, false) => new StoredEnvelope(bytes, session),
            (string text, true) => TextEnvelope.Read(text, session),
            _ => throw new EnvelopeConfigurationException(EnvelopeMessages.StoredOtherwise(encrypted.Name, encrypted.IsText ? "text" : "bytes")),
        };
        return (TProperty?)encrypted.Converter.ConvertFromProvider(envelope);
    }

    private static async Task<IReadOnlyList<DbParameter>> CreateAsync(
        EnvelopeSession session, List<(string Column, RelationalTypeMapping Mapping)> mappings, object? value, CancellationToken cancellationToken)
    {
        session.CheckModel();
        var connection = session.Context.GetService<IRelationalConnection>();
        var command = connection.DbConnection.CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            // What is to be stored has its key proved beside the rows.
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return await SealAsync(session, command, mappings, value, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                await connection.CloseAsync().ConfigureAwait(false);
            }
        }
    }

    private static async ValueTask<IReadOnlyList<DbParameter>> SealAsync(
        EnvelopeSession session, DbCommand command, List<(string Column, RelationalTypeMapping Mapping)> mappings, object? value, CancellationToken cancellationToken)
    {
        foreach (var (column, mapping) in mappings)
            command.Parameters.Add(mapping.CreateParameter(command, session.NameParameter(column), value, nullable: true));
        await ParameterSealer.SealAsync(session, command, cancellationToken).ConfigureAwait(false);
        List<DbParameter> parameters = [.. command.Parameters.Cast<DbParameter>()];
        command.Parameters.Clear();
        return parameters;
    }

    private static (EncryptedProperty Property, EnvelopeSession Session) Find<TEntity, TProperty>(
        DatabaseFacade database, Expression<Func<TEntity, TProperty>> property)
    {
        ArgumentNullException.ThrowIfNull(property);
        var session = EnvelopeDatabaseFacadeExtensions.GetSession(database);
        var model = session.Context.Model;
        var members = new Stack<string>();
        for (var node = property.Body; node is MemberExpression or UnaryExpression { NodeType: ExpressionType.Convert };)
        {
            if (node is MemberExpression member)
                members.Push(member.Member.Name);
            node = node is MemberExpression { Expression: var inner } ? inner : ((UnaryExpression)node).Operand;
        }

        ITypeBase? type = model.FindEntityType(typeof(TEntity));
        while (type is not null && members.Count > 1)
        {
            var name = members.Pop();
            type = (type as IEntityType)?.FindNavigation(name)?.TargetEntityType ?? (ITypeBase?)type.FindComplexProperty(name)?.ComplexType;
        }

        return type is not null && members.TryPop(out var last) && type.FindProperty(last) is { } found && EnvelopeModel.Of(model).Find(found) is { } encrypted
            ? (encrypted, session)
            : throw new EnvelopeConfigurationException(Describe(property));
    }

    // Only the names in it: the expression may quote a value.
    private static string Describe(LambdaExpression property)
    {
        var (path, isSimple) = ("", true);
        for (var node = property.Body; node is not (null or ParameterExpression or ConstantExpression);)
        {
            isSimple &= node is MemberExpression or UnaryExpression { NodeType: ExpressionType.Convert };
            path = node is MemberExpression member ? $".{member.Member.Name}{path}" : path;
            node = node switch
            {
                MemberExpression { Expression: var instance } => instance,
                UnaryExpression unary => unary.Operand,
                BinaryExpression binary => binary.Left,
                MethodCallExpression call => call.Object ?? call.Arguments.FirstOrDefault(),
                _ => null,
            };
        }

        return EnvelopeMessages.NotAnEncryptedProperty($"{property.Parameters[0].Type.Name}{path}", isSimple);
    }

    // A property of an owned or complex type has its real name in its table only.
    private static string ColumnOf(IProperty property)
        => property.GetTableColumnMappings().FirstOrDefault()?.Column.Name ?? property.GetViewColumnMappings().FirstOrDefault()?.Column.Name ?? property.GetColumnName();

    private static EnvelopeTypeMapping MappingOf(IProperty property) => (EnvelopeTypeMapping)property.GetRelationalTypeMapping();
}
