using System.Linq.Expressions;
using System.Reflection;
using EfEnvelope.BlindIndexes;
using EfEnvelope.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query;

namespace EfEnvelope.EntityFrameworkCore.Query;

internal sealed class EnvelopeQueryTranslationPreprocessorFactory(
    QueryTranslationPreprocessorDependencies dependencies, RelationalQueryTranslationPreprocessorDependencies relationalDependencies)
    : IQueryTranslationPreprocessorFactory
{
    public QueryTranslationPreprocessor Create(QueryCompilationContext queryCompilationContext)
        => new EnvelopeQueryTranslationPreprocessor(dependencies, relationalDependencies, queryCompilationContext);
}

/// <summary>
/// Looks at LINQ for what SQL no longer tells: which text operation a query asks for. All else is decided on the SQL tree. It looks twice, because
/// query filters come in between.
/// </summary>
internal sealed class EnvelopeQueryTranslationPreprocessor(
    QueryTranslationPreprocessorDependencies dependencies,
    RelationalQueryTranslationPreprocessorDependencies relationalDependencies,
    QueryCompilationContext queryCompilationContext)
    : RelationalQueryTranslationPreprocessor(dependencies, relationalDependencies, queryCompilationContext)
{
    public override Expression Process(Expression query)
    {
        var rewriter = new TextRewriter(QueryCompilationContext.Model);
        return rewriter.Visit(base.Process(rewriter.Visit(query)));
    }

    private sealed class TextRewriter(IModel model) : ExpressionVisitor
    {
        private static readonly MethodInfo StartsWith = typeof(string).GetMethod(nameof(string.StartsWith), [typeof(string)])!;
        private static readonly MethodInfo EndsWith = typeof(string).GetMethod(nameof(string.EndsWith), [typeof(string)])!;
        private static readonly MethodInfo IsNullOrWhiteSpace = typeof(string).GetMethod(nameof(string.IsNullOrWhiteSpace), [typeof(string)])!;

        private readonly EnvelopeModel _envelopes = EnvelopeModel.Of(model);

        protected override Expression VisitMethodCall(MethodCallExpression node)
        {
            if (node.Method == StartsWith && HasIndex(node.Object, BlindIndexProjection.First))
                return Expression.Call(EncryptedText.StartsWithMethod, Visit(node.Object)!, Visit(node.Arguments[0]));
            if (node.Method == EndsWith && HasIndex(node.Object, BlindIndexProjection.Last))
                return Expression.Call(EncryptedText.EndsWithMethod, Visit(node.Object)!, Visit(node.Arguments[0]));

            // SQL Server compares with an empty text for this and counts on its ignoring of trailing blanks, which no envelope does.
            if (node.Method == IsNullOrWhiteSpace && FindEncrypted(node.Arguments[0]).FirstOrDefault() is { } encrypted)
                throw new EnvelopeConfigurationException(EnvelopeMessages.Refused(encrypted, "compute with it"));
            return base.VisitMethodCall(node);
        }

        protected override Expression VisitExtension(Expression node)
            => node is Microsoft.EntityFrameworkCore.Query.EntityQueryRootExpression ? node : base.VisitExtension(node);

        private bool HasIndex(Expression? text, BlindIndexProjection projection)
            => text is not null && FindEncrypted(text).Any(p => p.FindIndex(projection) is not null);

        private IEnumerable<EncryptedProperty> FindEncrypted(Expression expression)
            => FindName(expression) is var (name, member)
                ? model.GetEntityTypes().SelectMany(t => t.GetFlattenedDeclaredProperties())
                    .Where(p => member is null ? p.Name == name : IsSame(p, member))
                    .Select(_envelopes.Find).OfType<EncryptedProperty>()
                : [];

        private static (string Name, MemberInfo? Member)? FindName(Expression expression)
            => expression switch
            {
                MemberExpression member => (member.Member.Name, member.Member),
                MethodCallExpression call when call.Method.IsGenericMethod && call.Method.DeclaringType == typeof(EF) && call.Method.Name == nameof(EF.Property)
                    && call.Arguments[1] is ConstantExpression { Value: string name } => (name, null),
                UnaryExpression { NodeType: ExpressionType.Convert } convert => FindName(convert.Operand),
                _ => null,
            };

        private static bool IsSame(IReadOnlyPropertyBase property, MemberInfo member)
            => member.Name == (property.PropertyInfo ?? (MemberInfo?)property.FieldInfo)?.Name
                && (member.DeclaringType!.IsAssignableFrom(property.DeclaringType.ClrType) || property.DeclaringType.ClrType.IsAssignableFrom(member.DeclaringType));
    }
}
