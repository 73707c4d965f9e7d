using System.Data.Common;

namespace EfEnvelope.EntityFrameworkCore;

/// <summary>What raw SQL stores for one value of an encrypted property.</summary>
/// <param name="Value">What the property's own column stores.</param>
/// <param name="BlindIndexes">
/// What its blind indexes store, by the names of their columns. The database refuses a row whose value has no hash. Compound blind indexes are not
/// among them: they need the values of several properties. Where a unique index compares the value or its hash, what the second column stores
/// (<c>…_Next</c>) is here as well: without it a duplicate could slip in while two key versions are live.
/// </param>
public sealed record EncryptedParameters(DbParameter Value, IReadOnlyDictionary<string, DbParameter> BlindIndexes);

/// <summary>What raw SQL looks for to find one value of an encrypted property.</summary>
/// <param name="Column">The column to compare: the property's own, or that of its blind index.</param>
/// <param name="Values">
/// All that rows with the value may hold there: <c>WHERE column IN (…, …)</c>. There are two, for two key versions, which are equal while one is live; and
/// a third, the value in clear text, while a text column is being backfilled. Leaving one out misses rows.
/// </param>
public sealed record EncryptedSearchParameters(string Column, IReadOnlyList<DbParameter> Values);
