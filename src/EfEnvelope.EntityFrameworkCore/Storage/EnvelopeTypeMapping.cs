using System.Data.Common;
using System.Linq.Expressions;
using System.Reflection;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Maps <see cref="Envelope" /> to the provider's binary type. Holds no key and no provider type, so compiled models can hold it.</summary>
public sealed class EnvelopeTypeMapping : RelationalTypeMapping
{
    // The largest varbinary that SQL Server keeps in the row and compares by one plan.
    private const int SqlServerBoundedSize = 8000;

    private static readonly MethodInfo OpenMethod
        = typeof(EnvelopeSession).GetMethod(nameof(EnvelopeSession.Wrap), BindingFlags.Public | BindingFlags.Static)!;

    /// <summary>Gets the mapping that compiled models clone.</summary>
    public static EnvelopeTypeMapping Default { get; } = new("BLOB", null);

    /// <summary>Makes a mapping to a binary store type.</summary>
    /// <param name="storeType">The provider's binary type, such as <c>bytea</c> or <c>varbinary(183)</c>.</param>
    /// <param name="size">The column's length in bytes, or <see langword="null" /> when unbounded.</param>
    public EnvelopeTypeMapping(string storeType, int? size)
        : base(
            new RelationalTypeMappingParameters(
                new CoreTypeMappingParameters(typeof(Envelope), jsonValueReaderWriter: EnvelopeJsonReaderWriter.Instance),
                storeType,
                StoreTypePostfix.None,
                System.Data.DbType.Binary,
                size: size))
    {
    }

    private EnvelopeTypeMapping(RelationalTypeMappingParameters parameters)
        : base(parameters)
    {
    }

    /// <inheritdoc />
    public override MethodInfo GetDataReaderMethod() => GetDataReaderMethod(typeof(byte[]));

    /// <inheritdoc />
    public override Expression CustomizeDataReaderExpression(Expression expression)
        => Expression.Call(OpenMethod, QueryCompilationContext.QueryContextParameter, expression);

    // A compiled model turns a property's sentinel, such as 0, into a provider value and back: no key is needed on the way.
    /// <inheritdoc />
    public override Expression GenerateCodeLiteral(object value) => ((PlaintextEnvelope)value).GenerateCode();

    /// <inheritdoc />
    protected override RelationalTypeMapping Clone(RelationalTypeMappingParameters parameters) => new EnvelopeTypeMapping(parameters);

    // No literal of an encrypted value may exist: SQL that would need one does not parse, so it fails instead of storing plaintext.
    /// <inheritdoc />
    protected override string GenerateNonNullSqlLiteral(object value) => "<envelope>";

    // SQL Server makes one plan per parameter length unless the length is the column's. Other providers ignore it.
    /// <inheritdoc />
    protected override void ConfigureParameter(DbParameter parameter)
    {
        if (!StoreType.Contains("binary", StringComparison.OrdinalIgnoreCase))
            return;
        var columnSize = Size is > 0 and < SqlServerBoundedSize ? Size.Value : SqlServerBoundedSize;
        var length = parameter.Value is PlaintextEnvelope envelope ? envelope.EnvelopeLength : 0;
        parameter.Size = length <= columnSize ? columnSize : length <= SqlServerBoundedSize ? SqlServerBoundedSize : -1;
    }
}
