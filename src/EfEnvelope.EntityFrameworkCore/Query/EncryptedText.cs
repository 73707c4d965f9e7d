using System.ComponentModel;
using System.Linq.Expressions;
using System.Reflection;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>Stands in a query for 'StartsWith' and 'EndsWith' on an encrypted text, which every provider would translate in a way of its own.</summary>
internal static class EncryptedText
{
    public const string StartsWithFunction = "efenvelope_starts_with";
    public const string EndsWithFunction = "efenvelope_ends_with";

    public static readonly MethodInfo StartsWithMethod = typeof(EncryptedText).GetMethod(nameof(StartsWith))!;
    public static readonly MethodInfo EndsWithMethod = typeof(EncryptedText).GetMethod(nameof(EndsWith))!;

    public static bool StartsWith(string text, string start) => text.StartsWith(start, StringComparison.Ordinal);

    public static bool EndsWith(string text, string end) => text.EndsWith(end, StringComparison.Ordinal);
}

/// <summary>Translates <see cref="EncryptedText" /> into functions that no database has: only the guard turns them into something that runs.</summary>
internal sealed class EncryptedTextTranslatorPlugin(IRelationalTypeMappingSource typeMappings) : IMethodCallTranslatorPlugin
{
    public IEnumerable<IMethodCallTranslator> Translators { get; } = [new Translator(typeMappings)];

    private sealed class Translator(IRelationalTypeMappingSource typeMappings) : IMethodCallTranslator
    {
        public SqlExpression? Translate(
            SqlExpression? instance, MethodInfo method, IReadOnlyList<SqlExpression> arguments, IDiagnosticsLogger<DbLoggerCategory.Query> logger)
        {
            if (method != EncryptedText.StartsWithMethod && method != EncryptedText.EndsWithMethod)
                return null;
            var mapping = arguments[0].TypeMapping;
            SqlExpression part = arguments[1] switch
            {
                SqlParameterExpression parameter => parameter.ApplyTypeMapping(mapping),
                SqlConstantExpression constant => new SqlConstantExpression(constant.Value, typeof(string), mapping),
                var other => other,
            };
            return new SqlFunctionExpression(
                method == EncryptedText.StartsWithMethod ? EncryptedText.StartsWithFunction : EncryptedText.EndsWithFunction,
                [arguments[0], part],
                nullable: true,
                argumentsPropagateNullability: [true, true],
                typeof(bool),
                typeMappings.FindMapping(typeof(bool)));
        }
    }
}
