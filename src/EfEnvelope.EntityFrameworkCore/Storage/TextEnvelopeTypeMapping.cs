using System.Data;
using System.Linq.Expressions;
using System.Reflection;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Storage.Json;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Maps <see cref="TextEnvelope" /> to the provider's text type. Holds no key and no provider type, so compiled models can hold it.</summary>
public sealed class TextEnvelopeTypeMapping : EnvelopeTypeMapping
{
    private static readonly MethodInfo WrapMethod
        = typeof(EnvelopeSession).GetMethod(nameof(EnvelopeSession.WrapText), BindingFlags.Public | BindingFlags.Static)!;

    /// <summary>Gets the mapping that compiled models clone.</summary>
    public static new TextEnvelopeTypeMapping Default { get; } = new("TEXT", null, System.Data.DbType.String, true);

    /// <summary>Makes a mapping to a text store type.</summary>
    /// <param name="storeType">The provider's text type, such as <c>text</c> or <c>nvarchar(200)</c>.</param>
    /// <param name="size">The column's length in characters, or <see langword="null" /> when unbounded.</param>
    /// <param name="dbType">The type of parameters.</param>
    /// <param name="unicode">Whether the column holds Unicode.</param>
    public TextEnvelopeTypeMapping(string storeType, int? size, DbType? dbType, bool unicode)
        : this(
            new RelationalTypeMappingParameters(
                new CoreTypeMappingParameters(typeof(TextEnvelope), jsonValueReaderWriter: TextEnvelopeJsonReaderWriter.Instance),
                storeType,
                StoreTypePostfix.None,
                dbType,
                unicode,
                size))
    {
    }

    private TextEnvelopeTypeMapping(RelationalTypeMappingParameters parameters)
        : base(parameters)
    {
    }

    /// <inheritdoc />
    public override MethodInfo GetDataReaderMethod() => GetDataReaderMethod(typeof(string));

    /// <inheritdoc />
    public override Expression CustomizeDataReaderExpression(Expression expression)
        => Expression.Call(WrapMethod, QueryCompilationContext.QueryContextParameter, expression);

    /// <inheritdoc />
    protected override RelationalTypeMapping Clone(RelationalTypeMappingParameters parameters) => new TextEnvelopeTypeMapping(parameters);

    private protected override int? LargestBoundedSize
        => StoreType.StartsWith("nvarchar", StringComparison.OrdinalIgnoreCase) ? 4000
            : StoreType.StartsWith("varchar", StringComparison.OrdinalIgnoreCase) ? 8000
            : null;

    private protected override Type Carrier => typeof(TextEnvelope);

    private protected override JsonValueReaderWriter Json => TextEnvelopeJsonReaderWriter.Instance;
}
