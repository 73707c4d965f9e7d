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

        // A comparison is never null. In SQL it could not be told from the bool that it compares, of which EF Core makes a comparison, too.
        protected override Expression VisitMember(MemberExpression node)
            => node.Member.Name == nameof(Nullable<>.HasValue) && node.Expression is { } tested && IsComparison(tested)
                ? Expression.Constant(true)
                : base.VisitMember(node);

        protected override Expression VisitBinary(BinaryExpression node)
            => node.NodeType is ExpressionType.Equal or ExpressionType.NotEqual
                && ((IsNull(node.Right) && IsComparison(node.Left)) || (IsNull(node.Left) && IsComparison(node.Right)))
                    ? Expression.Constant(node.NodeType == ExpressionType.NotEqual)
                    : base.VisitBinary(node);

        private static bool IsComparison(Expression expression)
            => expression is UnaryExpression { NodeType: ExpressionType.Convert, Operand: BinaryExpression comparison } convert
                && comparison.NodeType is ExpressionType.Equal or ExpressionType.NotEqual
                && convert.Type == typeof(bool?) && comparison.Type == typeof(bool);

        private static bool IsNull(Expression expression)
            => expression is ConstantExpression { Value: null } or DefaultExpression
                || (expression is UnaryExpression { NodeType: ExpressionType.Convert } convert && IsNull(convert.Operand));

        protected override Expression VisitExtension(Expression node)
            => node is EntityQueryRootExpression ? node : base.VisitExtension(node);

        private bool HasIndex(Expression? text, BlindIndexProjection projection)
            => text is not null && FindEncrypted(text).Any(p => p.FindIndex(projection) is not null);

        private IEnumerable<EncryptedProperty> FindEncrypted(Expression expression)
            => FindMember(expression) is var (name, type)
                ? model.GetEntityTypes().SelectMany(t => t.GetFlattenedDeclaredProperties())
                    .Where(p => (p.PropertyInfo?.Name ?? p.FieldInfo?.Name ?? p.Name) == name && IsRelated(p.DeclaringType.ClrType, type))
                    .Select(_envelopes.Find).OfType<EncryptedProperty>()
                : [];

        // The type of what is accessed, not the one that declares the member: entities that share a base type may differ in what they encrypt.
        private static (string Name, Type Type)? FindMember(Expression expression)
            => expression switch
            {
                MemberExpression { Expression: { } instance } member => (member.Member.Name, TypeOf(instance)),
                MethodCallExpression call when call.Method.IsGenericMethod && call.Method.DeclaringType == typeof(EF) && call.Method.Name == nameof(EF.Property)
                    && call.Arguments[1] is ConstantExpression { Value: string name } => (name, TypeOf(call.Arguments[0])),
                UnaryExpression { NodeType: ExpressionType.Convert } convert => FindMember(convert.Operand),
                _ => null,
            };

        // Code over an interface or a base type still says which type the query is about.
        private static Type TypeOf(Expression instance)
            => instance is UnaryExpression { NodeType: ExpressionType.Convert or ExpressionType.TypeAs, Operand: var operand }
                && instance.Type.IsAssignableFrom(operand.Type)
                    ? TypeOf(operand)
                    : instance.Type;

        private static bool IsRelated(Type type, Type other) => type.IsAssignableFrom(other) || other.IsAssignableFrom(type);
    }
}
