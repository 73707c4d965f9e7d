using System.Collections;
using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
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
    private readonly Dictionary<(string List, ValueConverter Converter), SqlParameterExpression> _lists = [];
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

    /// <summary>Makes a parameter for a value that is stored in the column of a property, if its type holds the value.</summary>
    public SqlExpression ForWrite(EncryptedProperty property, SqlExpression value)
        => ToParameter(
            value, MappingOf(property.Property).ForParameter(Converter((property, "write"), () => EnvelopeConverters.ForWrite(property.Converter))));

    /// <summary>Makes a parameter that lets the command fail while two versions are live.</summary>
    public SqlParameterExpression ForProbe(Comparand comparand)
    {
        Expression probe = Expression.Constant(new OneVersionProbe(comparand.Property.Name), typeof(Envelope));
        if (comparand.Expression.TypeMapping is TextEnvelopeTypeMapping)
            probe = Expression.Constant(TextEnvelope.Of(new OneVersionProbe(comparand.Property.Name)), typeof(TextEnvelope));
        return Register(Expression.Convert(probe, typeof(object)), probe.Type, ((EnvelopeTypeMapping)comparand.Expression.TypeMapping!).ForParameter(null));
    }

    /// <summary>Makes a parameter of a value.</summary>
    public SqlExpression ToParameter(SqlExpression value)
        => value is SqlConstantExpression constant ? ToParameter(constant) : Late((SqlParameterExpression)value);

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

    // A parameter of its own for each use of a list. EF Core names the values after the list, and would look for a free name for each of those
    // values once for every value of the other uses.
    private SqlParameterExpression ToList(SqlParameterExpression list, RelationalTypeMapping element)
    {
        var key = (list.InvariantName, element.Converter!);
        return _lists.TryGetValue(key, out var known) ? known : _lists[key] = Make();

        SqlParameterExpression Make()
        {
            var type = element.Converter!.ProviderClrType.MakeArrayType();
            var values = new ListValues(list.InvariantName, element.Converter);
            var carrier = ((EnvelopeTypeMapping)element).ForParameter(null);
            var name = RegisterValue(
                Expression.Call(Expression.Constant(values), nameof(ListValues.Make), null, QueryCompilationContext.QueryContextParameter),
                $"0{list.Name}_{_count++}_");

            // Whatever the query or the context says: neither literals nor JSON can hold an encrypted value.
            return new SqlParameterExpression(
                name, name, type, nullable: true, ParameterTranslationMode.MultipleParameters, typeMappings.FindMapping(type, context.Model, carrier));
        }
    }

    private SqlParameterExpression Register(Expression value, Type type, RelationalTypeMapping? mapping)
    {
        // It stands beside the application's own parameters, which EF Core names after C# variables: none of those starts with a digit.
        return new SqlParameterExpression(RegisterValue(value, $"0envelope_{_count++}"), type, mapping);
    }

    private string RegisterValue(Expression value, string name)
    {
        context.RegisterRuntimeParameter(name, Expression.Lambda(value, QueryCompilationContext.QueryContextParameter));
        return name;
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
/// <param name="Source">What the query compares.</param>
internal sealed record Comparand(SqlExpression Expression, EncryptedProperty Property, BlindIndex? Index, SqlExpression Source)
{
    /// <summary>Gets whether the expression is a value of the query's own, as the column would hold it.</summary>
    public bool IsValue { get; init; }

    /// <summary>Whether equal values of both have equal bytes.</summary>
    public bool IsComparableWith(Comparand other)
        => Index is { } index
            ? ReferenceEquals(index.Context, other.Index?.Context)
            : other.Index is null && (Property.Field, Property.PlaintextType, Property.IsText) == (other.Property.Field, other.Property.PlaintextType, other.Property.IsText);
}

/// <summary>The values of a list that a query looks in, as they are sought under one version.</summary>
internal sealed record ListValues(string Name, ValueConverter Converter)
{
    public object? Make(QueryContext queryContext)
    {
        if (queryContext.Parameters[Name] is not IEnumerable list)
            return null;

        // A value that is stored as null, or cannot be stored, equals none: as null in the list, it would find the rows that have no value.
        var sought = list.Cast<object?>().Select(v => (Value: v, Sought: Converter.ConvertToProvider(v)))
            .Where(v => v.Value is null || v.Sought is not null).Select(v => v.Sought).ToList();
        var values = Array.CreateInstance(Converter.ProviderClrType, sought.Count);
        ((ICollection)sought).CopyTo(values, 0);
        return values;
    }
}

/// <summary>The values of one query for a compound blind index: parameters by name, and constants.</summary>
internal sealed record CompoundValues(BlindIndex Index, IReadOnlyList<string?> Names, IReadOnlyList<object?> Constants, KeyRole Role)
{
    public object? Make(QueryContext queryContext)
    {
        var values = new object[Names.Count];
        for (var i = 0; i < values.Length; i++)
        {
            var source = Index.Sources[i];
            if ((Names[i] is { } name ? queryContext.Parameters[name] : Constants[i]) is not { } value || source.IsStoredAsNull(value))
            {
                return Role.Writes()
                    ? null
                    : throw new EnvelopeConfigurationException(EnvelopeMessages.CompoundWithNull(Index.Name, Index.Sources.Select(s => s.Name)));
            }

            if (ExactConverter.Fit(source.Converter, value) is not { } fitting)
            {
                return Role.Writes()
                    ? throw new EnvelopeConfigurationException(EnvelopeMessages.DoesNotFit(source.Name))
                    : new NothingEnvelope(Index.Name, Role, EnvelopeAlgorithm.BlindIndex);
            }

            values[i] = fitting;
        }

        return new BlindIndexEnvelope(Index, values, Role, searches: !Role.Writes());
    }
}
