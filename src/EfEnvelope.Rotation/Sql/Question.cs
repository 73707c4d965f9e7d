namespace EfEnvelope.Rotation.Sql;

/// <summary>What is asked in a transaction before it may commit.</summary>
/// <param name="Sql">The query, with parameters <c>@p0</c>, <c>@p1</c>, …</param>
/// <param name="Values">Their values.</param>
/// <param name="Judge">Gets the rows of the answer, and throws if the transaction must not commit.</param>
internal sealed record Question(string Sql, object?[] Values, Action<List<object?[]>> Judge);
