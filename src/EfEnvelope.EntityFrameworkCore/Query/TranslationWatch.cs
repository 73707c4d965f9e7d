using System.Reflection;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Sees what a provider is asked to compute from an encrypted value, before the guard does. A provider that looks for its own column types fails in
/// words of its own, and EF Core names no property where it cannot translate: then the refusal says whose value it was.
/// </summary>
internal sealed class TranslationWatch(ICurrentDbContext current)
    : IMemberTranslator, IMemberTranslatorPlugin, IMethodCallTranslator, IMethodCallTranslatorPlugin
{
    private (EncryptedProperty Property, string Member)? _last;

    IEnumerable<IMemberTranslator> IMemberTranslatorPlugin.Translators => [this];

    IEnumerable<IMethodCallTranslator> IMethodCallTranslatorPlugin.Translators => [this];

    // Plug-ins are asked first. This one only looks.
    public SqlExpression? Translate(
        SqlExpression? instance, MemberInfo member, Type returnType, IDiagnosticsLogger<DbLoggerCategory.Query> logger)
        => Look(member, [instance]);

    public SqlExpression? Translate(
        SqlExpression? instance, MethodInfo method, IReadOnlyList<SqlExpression> arguments, IDiagnosticsLogger<DbLoggerCategory.Query> logger)
        => Look(method, [instance, .. arguments]);

    /// <summary>Compiles a query, and names the property of an encrypted value from which something cannot be computed.</summary>
    public T Compile<T>(Func<T> compile)
    {
        _last = null;
        try
        {
            return compile();
        }
        catch (Exception e) when (e is not EnvelopeException && _last is { } last && IsAbout(e, last.Member))
        {
            // Without the cause, which quotes the values of the query.
            throw new EnvelopeConfigurationException(EnvelopeMessages.Refused(_last.Value.Property, "compute with it"));
        }
    }

    private static bool IsAbout(Exception e, string member)
        => e.StackTrace?.Contains("TranslatorProvider.Translate(", StringComparison.Ordinal) == true
            || (e is InvalidOperationException
                && e.Message.Contains("could not be translated", StringComparison.Ordinal) && e.Message.Contains(member, StringComparison.Ordinal));

    private SqlExpression? Look(MemberInfo member, IEnumerable<SqlExpression?> operands)
    {
        _last = operands.Select(Find).FirstOrDefault(p => p is not null) is { } property ? (property, member.Name) : null;
        return null;
    }

    private EncryptedProperty? Find(SqlExpression? operand)
    {
        if (operand is null || EnvelopeQueryGuard.FindEncryptedLeaf(operand) is not { } leaf)
            return null;
        var model = current.Context.Model;
        var property = leaf.Column?.PropertyMappings.FirstOrDefault()?.Property
            ?? (EnvelopeConverters.TryFindField(leaf.TypeMapping?.Converter, out var field) ? MarkedMembers.FindByField(model, field) : null);
        return property is null ? null : EnvelopeModel.Of(model).Find(property);
    }
}
