using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// What 'ExecuteUpdate' sets: an encrypted column is set to a value or null, and with it its blind indexes and what a unique index compares under the next key version; nothing is computed from it or copied out of it.
/// </summary>
internal sealed class EnvelopeSetters(EnvelopeQueryGuard guard, SelectScopes scopes, SearchParameters parameters)
{
    public IReadOnlyList<ColumnValueSetter> Guard(UpdateExpression update)
    {
        scopes.Push(update.SelectExpression);
        try
        {
            var setters = update.ColumnValueSetters.Select(Guard).ToList();
            return [.. setters, .. FindSettersBeside(setters)];
        }
        finally
        {
            scopes.Pop();
        }
    }

    private ColumnValueSetter Guard(ColumnValueSetter setter)
    {
        var (column, value) = (setter.Column, setter.Value);
        if (!EnvelopeQueryGuard.IsEncrypted(column))
        {
            return EnvelopeQueryGuard.FindEncryptedLeaf(value) is { } source
                ? throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateFromEncrypted(guard.NameOf(source), column.Name))
                : new ColumnValueSetter(column, (SqlExpression)guard.Visit(value));
        }

        guard.FoundEnvelopes = true;
        if (value is SqlConstantExpression { Value: null })
            return setter;

        // C# takes a constant for an int where the property is a short.
        while (value is SqlUnaryExpression { OperatorType: ExpressionType.Convert } convert)
            value = convert.Operand;
        if (!SearchParameters.IsValue(value) || scopes.Trace(column) is not { } property)
            throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateExpression(guard.NameOf(column)));
        return new ColumnValueSetter(column, parameters.ForWrite(property, value));
    }

    // A blind index changes with its property, in the same statement.
    private IEnumerable<ColumnValueSetter> FindSettersBeside(List<ColumnValueSetter> setters)
    {
        var values = new Dictionary<EncryptedProperty, ColumnValueSetter>();
        foreach (var setter in setters.Where(s => EnvelopeQueryGuard.IsEncrypted(s.Column)))
        {
            if (scopes.Trace(setter.Column) is not { } property)
                throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateExpression(guard.NameOf(setter.Column)));
            values[property] = setter;
            if (property.Next is { } next)
            {
                yield return new ColumnValueSetter(
                    scopes.FindColumnBeside(setter.Column, next) ?? throw Unreachable(setter.Column), parameters.ForNext(property, setter.Value));
            }
        }

        foreach (var index in values.Keys.SelectMany(p => p.Indexes).Distinct().ToList())
        {
            if (index.Sources.FirstOrDefault(s => !values.ContainsKey(s)) is { } missing)
                throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateOfCompound(missing.Name, index.Name));
            var first = values[index.Sources[0]];
            var given = index.Sources.Select(s => values[s].Value).ToList();
            yield return Set(scopes.FindIndexColumn(first.Column, index) ?? throw Unreachable(first.Column), index, given, index.WriteRole);
            if (index.Next is { } next)
                yield return Set(scopes.FindColumnBeside(first.Column, next) ?? throw Unreachable(first.Column), index, given, KeyRole.UniqueNext);
        }
    }

    private ColumnValueSetter Set(ColumnExpression column, BlindIndex index, List<SqlExpression> values, KeyRole role)
        => new(
            column,
            values.Any(v => v is SqlConstantExpression) ? new SqlConstantExpression(null, typeof(Envelope), column.TypeMapping)
                : index.Definition.IsCompound ? parameters.ForCompound(index, values, role)
                : parameters.ForIndex(index, values[0], role));

    private EnvelopeConfigurationException Unreachable(ColumnExpression column) => new(EnvelopeMessages.UpdateExpression(guard.NameOf(column)));
}
