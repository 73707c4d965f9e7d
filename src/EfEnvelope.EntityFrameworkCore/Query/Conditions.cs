using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.SqlExpressions;

namespace EfEnvelope.EntityFrameworkCore.Query;

/// <summary>
/// Says again what a condition over an encrypted bool asks. EF Core compares each bool that has a converter with TRUE wherever a condition
/// stands, even below NOT and IS NULL, where this makes FALSE of an unknown value.
/// </summary>
internal sealed class Conditions(ISqlExpressionFactory sql)
{
    /// <summary>Restores a condition that holds where it is true: a false one and an unknown one are alike.</summary>
    public SqlExpression? Restore(SqlExpression? condition)
        => condition switch
        {
            SqlBinaryExpression { OperatorType: ExpressionType.AndAlso or ExpressionType.OrElse } binary => Restore(binary),
            SqlUnaryExpression { OperatorType: ExpressionType.Equal or ExpressionType.NotEqual } test
                when FindTested(test.Operand) is { } tested => test.Update(tested),
            SqlUnaryExpression { OperatorType: ExpressionType.Not } not when FindBool(not.Operand) is { } negated => Is(negated, false),
            null => null,
            _ => FindBool(condition) is { } bare ? Is(bare, true) : condition,
        };

    /// <summary>Restores the conditions of CASE.</summary>
    public CaseExpression Restore(CaseExpression @case)
        => @case.Operand is not null
            ? @case
            : @case.Update(null, [.. @case.WhenClauses.Select(w => new CaseWhenClause(Restore(w.Test)!, w.Result))], @case.ElseResult);

    // What is added to a predicate gives it its own type mapping, even that of a bare column.
    private SqlExpression Restore(SqlBinaryExpression binary)
    {
        var (left, right) = (Restore(binary.Left)!, Restore(binary.Right)!);
        return !EnvelopeQueryGuard.IsEncrypted(binary) ? binary.Update(left, right)
            : binary.OperatorType == ExpressionType.AndAlso ? sql.AndAlso(left, right)
            : sql.OrElse(left, right);
    }

    private static SqlExpression? FindTested(SqlExpression operand)
        => operand is SqlUnaryExpression { OperatorType: ExpressionType.Not } not ? FindBool(not.Operand) : FindBool(operand);

    private static SqlExpression? FindBool(SqlExpression expression)
        => expression switch
        {
            SqlBinaryExpression
            {
                OperatorType: ExpressionType.Equal, Left: ColumnExpression column, Right: SqlConstantExpression { Value: true },
            } when EnvelopeQueryGuard.IsEncrypted(column) => column,
            SqlUnaryExpression { OperatorType: ExpressionType.Convert } convert when IsBool(convert) => FindBool(convert.Operand),
            SqlBinaryExpression => null,
            _ => EnvelopeQueryGuard.IsEncrypted(expression) && IsBool(expression) && !EnvelopeQueryGuard.IsNull(expression) ? expression : null,
        };

    private static bool IsBool(SqlExpression expression) => expression.Type == typeof(bool) || expression.Type == typeof(bool?);

    private SqlExpression Is(SqlExpression encrypted, bool value)
        => sql.Equal(encrypted, sql.Constant(value, encrypted.TypeMapping));
}
