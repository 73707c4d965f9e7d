using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Makes the parameters of a query that looks for encrypted values: one for each version that stored values may be under, bound to the versions
/// only when the command runs, so that cached and compiled queries stay right. No literal of an encrypted value can exist: it would be cached with
/// the query and outlive its key.
/// </summary>
internal sealed class SearchParameters(QueryCompilationContext context, IRelationalTypeMappingSource typeMappings)
{
    // One converter for each use, so that EF Core sends equal parameters once.
    private readonly Dictionary<(object Source, object Use), ValueConverter> _converters = [];
    private int _count;

    public static bool IsValue(SqlExpression expression) => expression is SqlParameterExpression or SqlConstantExpression { Value: not null };

    /// <summary>Makes a parameter for every slot.</summary>
    public IEnumerable<SqlExpression> ForSlots(Comparand comparand, SqlExpression value)
        => KeyRoles.Slots.Select(slot => ToParameter(value, MappingFor(comparand, slot)));

    /// <summary>Makes a parameter that holds a list, for every slot; each list is sent value by value where the provider has no arrays.</summary>
    public IEnumerable<SqlParameterExpression> ForSlots(Comparand comparand, SqlParameterExpression list)
        => KeyRoles.Slots.Select(slot => ToList(list, MappingFor(comparand, slot)));

    /// <summary>Makes a parameter that is sent in clear text, for a column that is being backfilled.</summary>
    public SqlExpression ForPlaintext(EncryptedProperty property, SqlExpression value) => ToParameter(value, PlaintextMapping(property));

    /// <summary>Makes a list that is sent in clear text, for a column that is being backfilled.</summary>
    public SqlParameterExpression ForPlaintext(EncryptedProperty property, SqlParameterExpression list) => ToList(list, PlaintextMapping(property));

    /// <summary>Makes a parameter for a value that is stored in a blind index.</summary>
    public SqlExpression ForIndex(BlindIndex index, SqlExpression value, KeyRole role)
        => ToParameter(
            value,
            MappingOf(index.Property).ForParameter(
                Converter((index, role), () => EnvelopeConverters.ForIndex(index.Sources[0].Converter, index, role, searches: false))));

    /// <summary>Makes a parameter for a value that a unique index compares, under the next key version.</summary>
    public SqlExpression ForNext(EncryptedProperty property, SqlExpression value)
        => ToParameter(value, MappingOf(property.Next!).ForParameter(property.NextConverter));

    /// <summary>Makes a parameter for what several values together have in a compound blind index.</summary>
    public SqlParameterExpression ForCompound(BlindIndex index, IReadOnlyList<SqlExpression> values, KeyRole role)
    {
        var recipe = new CompoundValues(index, [.. values.Select(v => (v as SqlParameterExpression)?.InvariantName)], [.. values.Select(v => (v as SqlConstantExpression)?.Value)], role);
        return Register(
            Expression.Call(Expression.Constant(recipe), nameof(CompoundValues.Make), null, QueryCompilationContext.QueryContextParameter),
            typeof(Envelope), MappingOf(index.Property).ForParameter(null));
    }

    /// <summary>Makes a parameter that lets the command fail while two versions are live.</summary>
    public SqlParameterExpression ForProbe(Comparand comparand)
    {
        Expression probe = Expression.Constant(new OneVersionProbe(comparand.Property.Name), typeof(Envelope));
        if (comparand.Expression.TypeMapping is TextEnvelopeTypeMapping)
            probe = Expression.Constant(TextEnvelope.Of(new OneVersionProbe(comparand.Property.Name)), typeof(TextEnvelope));
        return Register(Expression.Convert(probe, typeof(object)), probe.Type, ((EnvelopeTypeMapping)comparand.Expression.TypeMapping!).ForParameter(null));
    }

    /// <summary>Makes a parameter of a constant.</summary>
    public SqlParameterExpression ToParameter(SqlConstantExpression constant)
        => Register(Expression.Constant(constant.Value, typeof(object)), constant.Type, constant.TypeMapping);

    /// <summary>Keeps a parameter one: 'EF.Constant' would make it a literal.</summary>
    public static SqlParameterExpression Late(SqlParameterExpression parameter, RelationalTypeMapping? mapping = null)
        => new(parameter.InvariantName, parameter.Name, parameter.Type, parameter.IsNullable, translationMode: null, mapping ?? parameter.TypeMapping);

    private SqlExpression ToParameter(SqlExpression value, RelationalTypeMapping mapping)
        => value switch
        {
            SqlParameterExpression parameter => Late(parameter, mapping),
            SqlConstantExpression { Value: null } constant => new SqlConstantExpression(null, constant.Type, mapping),
            SqlConstantExpression constant => Register(Expression.Constant(constant.Value, typeof(object)), constant.Type, mapping),
            _ => throw new ArgumentException("Neither a parameter nor a constant.", nameof(value)),
        };

    private SqlParameterExpression ToList(SqlParameterExpression list, RelationalTypeMapping element)
        => new(
            list.InvariantName, list.Name, list.Type, list.IsNullable,

            // Whatever the query or the context says: neither literals nor JSON can hold an encrypted value.
            ParameterTranslationMode.MultipleParameters,
            typeMappings.FindMapping(list.Type, context.Model, element));

    private SqlParameterExpression Register(Expression value, Type type, RelationalTypeMapping? mapping)
    {
        // It stands beside the application's own parameters, which EF Core names after C# variables: none of those starts with a digit.
        var name = $"0envelope_{_count++}";
        context.RegisterRuntimeParameter(name, Expression.Lambda(value, QueryCompilationContext.QueryContextParameter));
        return new SqlParameterExpression(name, type, mapping);
    }

    private RelationalTypeMapping MappingFor(Comparand comparand, KeyRole slot)
        => ((EnvelopeTypeMapping)comparand.Expression.TypeMapping!).ForParameter(
            comparand.Index is { } index
                ? Converter((index, slot), () => EnvelopeConverters.ForIndex(index.Sources[0].Converter, index, slot, searches: true))
                : Converter((comparand.Property, slot), () => EnvelopeConverters.ForSlot(comparand.Property.Converter, slot)));

    private RelationalTypeMapping PlaintextMapping(EncryptedProperty property)
        => MappingOf(property.Property).ForParameter(Converter((property, "plaintext"), () => EnvelopeConverters.ForPlaintext(property.Converter)));

    private ValueConverter Converter((object, object) use, Func<ValueConverter> make)
        => _converters.TryGetValue(use, out var converter) ? converter : _converters[use] = make();

    private static EnvelopeTypeMapping MappingOf(IProperty property) => (EnvelopeTypeMapping)property.GetRelationalTypeMapping();
}

/// <summary>What the database can compare instead of an encrypted expression.</summary>
/// <param name="Expression">A deterministic column, or the column of a blind index, or a subquery that returns one.</param>
/// <param name="Property">The property.</param>
/// <param name="Index">The blind index, or <see langword="null" /> when the values themselves are compared.</param>
internal sealed record Comparand(SqlExpression Expression, EncryptedProperty Property, BlindIndex? Index)
{
    /// <summary>Whether equal values of both have equal bytes.</summary>
    public bool IsComparableWith(Comparand other)
        => Index is { } index
            ? ReferenceEquals(index.Context, other.Index?.Context)
            : other.Index is null && (Property.Field, Property.PlaintextType, Property.IsText) == (other.Property.Field, other.Property.PlaintextType, other.Property.IsText);
}

/// <summary>The values of one query for a compound blind index: parameters by name, and constants.</summary>
internal sealed record CompoundValues(BlindIndex Index, IReadOnlyList<string?> Names, IReadOnlyList<object?> Constants, KeyRole Role)
{
    public object? Make(QueryContext queryContext)
    {
        var values = new object[Names.Count];
        for (var i = 0; i < values.Length; i++)
        {
            if ((Names[i] is { } name ? queryContext.Parameters[name] : Constants[i]) is { } value && !Index.Sources[i].IsStoredAsNull(value))
                values[i] = value;
            else if (Role.Writes())
                return null;
            else
                throw new EnvelopeConfigurationException(EnvelopeMessages.CompoundWithNull(Index.Name, Index.Sources.Select(s => s.Name)));
        }

        return new BlindIndexEnvelope(Index, values, Role, searches: !Role.Writes());
    }
}
