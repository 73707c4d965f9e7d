using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// What 'ExecuteUpdate' sets: an encrypted column is set to a value or null, and its blind indexes with it; nothing is computed from it or copied out of it.
/// </summary>
internal sealed class EnvelopeSetters(EnvelopeQueryGuard guard, SelectScopes scopes, SearchParameters parameters)
{
    public IReadOnlyList<ColumnValueSetter> Guard(UpdateExpression update)
    {
        scopes.Push(update.SelectExpression);
        try
        {
            var setters = update.ColumnValueSetters.Select(Guard).ToList();
            setters.AddRange(FindIndexSetters(setters));
            return setters;
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
        return value switch
        {
            SqlConstantExpression { Value: null } => setter,
            SqlConstantExpression constant when EnvelopeQueryGuard.IsEncrypted(constant) => new ColumnValueSetter(column, parameters.ToParameter(constant)),
            SqlParameterExpression parameter when EnvelopeQueryGuard.IsEncrypted(parameter) => new ColumnValueSetter(column, SearchParameters.Late(parameter)),
            _ => throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateExpression(guard.NameOf(column))),
        };
    }

    // A blind index changes with its property, in the same statement.
    private IEnumerable<ColumnValueSetter> FindIndexSetters(List<ColumnValueSetter> setters)
    {
        var values = new Dictionary<EncryptedProperty, ColumnValueSetter>();
        foreach (var setter in setters.Where(s => EnvelopeQueryGuard.IsEncrypted(s.Column)))
        {
            if (scopes.Trace(setter.Column) is not { } property)
                throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateExpression(guard.NameOf(setter.Column)));
            values[property] = setter;
        }

        foreach (var index in values.Keys.SelectMany(p => p.Indexes).Distinct().ToList())
        {
            if (index.Sources.FirstOrDefault(s => !values.ContainsKey(s)) is { } missing)
                throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateOfCompound(missing.Name, index.Name));
            var first = values[index.Sources[0]];
            var column = scopes.FindIndexColumn(first.Column, index)
                ?? throw new EnvelopeConfigurationException(EnvelopeMessages.UpdateExpression(guard.NameOf(first.Column)));
            var given = index.Sources.Select(s => values[s].Value).ToList();
            yield return given.Any(v => v is SqlConstantExpression)
                ? new ColumnValueSetter(column, new SqlConstantExpression(null, typeof(Envelope), column.TypeMapping))
                : new ColumnValueSetter(
                    column,
                    index.Definition.IsCompound
                        ? parameters.ForCompound(index, given, index.WriteRole)
                        : parameters.ForIndex(index, given[0]));
        }
    }
}
