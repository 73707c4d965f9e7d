using System.Data.Common;
using System.Linq.Expressions;
using System.Reflection;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Storage.Json;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Maps <see cref="Envelope" /> to the provider's binary type. Holds no key and no provider type, so compiled models can hold it.</summary>
public class EnvelopeTypeMapping : RelationalTypeMapping
{
    private static readonly MethodInfo WrapMethod
        = typeof(EnvelopeSession).GetMethod(nameof(EnvelopeSession.Wrap), BindingFlags.Public | BindingFlags.Static)!;

    /// <summary>Gets the mapping that compiled models clone.</summary>
    public static EnvelopeTypeMapping Default { get; } = new("BLOB", null);

    /// <summary>Makes a mapping to a binary store type.</summary>
    /// <param name="storeType">The provider's binary type, such as <c>bytea</c> or <c>varbinary(183)</c>.</param>
    /// <param name="size">The column's length in bytes, or <see langword="null" /> when unbounded.</param>
    public EnvelopeTypeMapping(string storeType, int? size)
        : this(
            new RelationalTypeMappingParameters(
                new CoreTypeMappingParameters(typeof(Envelope), jsonValueReaderWriter: EnvelopeJsonReaderWriter.Instance),
                storeType,
                StoreTypePostfix.None,
                System.Data.DbType.Binary,
                size: size))
    {
    }

    /// <summary>Makes a mapping from parameters.</summary>
    /// <param name="parameters">The parameters.</param>
    protected EnvelopeTypeMapping(RelationalTypeMappingParameters parameters)
        : base(parameters)
    {
    }

    /// <inheritdoc />
    public override MethodInfo GetDataReaderMethod() => GetDataReaderMethod(typeof(byte[]));

    /// <inheritdoc />
    public override Expression CustomizeDataReaderExpression(Expression expression)
        => Expression.Call(WrapMethod, QueryCompilationContext.QueryContextParameter, expression);

    // A compiled model turns a property's sentinel, such as 0, into a provider value and back: no key is needed on the way.
    /// <inheritdoc />
    public override Expression GenerateCodeLiteral(object value) => value is TextEnvelope text ? text.GenerateCode() : ((PlaintextEnvelope)value).GenerateCode();

    /// <summary>Makes the mapping of a parameter that is compared with a column of this mapping.</summary>
    /// <param name="converter">Makes what is looked for, or <see langword="null" /> when the parameter is an envelope already.</param>
    internal RelationalTypeMapping ForParameter(ValueConverter? converter)
        => Clone(
            new RelationalTypeMappingParameters(
                new CoreTypeMappingParameters(
                    converter?.ModelClrType ?? Carrier, converter, jsonValueReaderWriter: converter is null ? Json : ToJson(converter)),
                StoreType,
                StoreTypePostfix.None,
                DbType,
                IsUnicode,
                Size));

    /// <inheritdoc />
    protected override RelationalTypeMapping Clone(RelationalTypeMappingParameters parameters) => new EnvelopeTypeMapping(parameters);

    // No literal of an encrypted value may exist: SQL that would need one does not parse, so it fails instead of storing plaintext.
    /// <inheritdoc />
    protected override string GenerateNonNullSqlLiteral(object value) => "<envelope>";

    // SQL Server makes one plan per parameter length unless the length is the column's. Other providers ignore it.
    /// <inheritdoc />
    protected override void ConfigureParameter(DbParameter parameter)
    {
        if (LargestBoundedSize is not { } bound)
            return;
        var columnSize = Size is > 0 and var size && size < bound ? size : bound;
        var length = parameter.Value switch
        {
            PendingEnvelope envelope => envelope.EnvelopeLength,
            TextEnvelope text => text.Length,
            _ => 0,
        };
        parameter.Size = length <= columnSize ? columnSize : length <= bound ? bound : -1;
    }

    /// <summary>Gets the largest value that SQL Server keeps in the row and compares by one plan; <see langword="null" /> on other providers.</summary>
    private protected virtual int? LargestBoundedSize => StoreType.Contains("binary", StringComparison.OrdinalIgnoreCase) ? 8000 : null;

    /// <summary>Gets the type of what a parameter without a converter holds.</summary>
    private protected virtual Type Carrier => typeof(Envelope);

    private protected virtual JsonValueReaderWriter Json => EnvelopeJsonReaderWriter.Instance;

    private JsonValueReaderWriter ToJson(ValueConverter converter)
        => (JsonValueReaderWriter)Activator.CreateInstance(
            typeof(JsonConvertedValueReaderWriter<,>).MakeGenericType(converter.ModelClrType, converter.ProviderClrType), Json, converter)!;
}
