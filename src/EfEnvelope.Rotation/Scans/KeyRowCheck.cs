using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;
using static EfEnvelope.Rotation.Engine.StoredRows;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Looks for rows of the key store that cannot be read, in every scope. No KMS is asked.</summary>
internal static class KeyRowCheck
{
    private static readonly string[] Columns =
    [
        EnvelopeTables.Scope, EnvelopeTables.Version, EnvelopeTables.Status, EnvelopeTables.WrappedKey, EnvelopeTables.Commitment, EnvelopeTables.CreatedAt,
        EnvelopeTables.EncryptsFrom, EnvelopeTables.EncryptsUntil, EnvelopeTables.SearchesFrom, EnvelopeTables.UniqueFrom, EnvelopeTables.RetiredAt, EnvelopeTables.Revision,
    ];

    public static async Task<IReadOnlyList<MalformedRow>> FindAsync(Session session, CancellationToken cancellationToken)
    {
        if (!await MapStore.ExistsAsync(session, EnvelopeTables.Keys, cancellationToken).ConfigureAwait(false))
            return [];
        var dialect = session.Dialect;
        var rows = await session.QueryAsync(
            $"SELECT {string.Join(", ", Columns.Select(dialect.Quote))} FROM {dialect.Table(session.Schema, EnvelopeTables.Keys)}", [], cancellationToken).ConfigureAwait(false);
        return ReadAll(EnvelopeTables.Keys, rows, r => $"{Display(r[0])}:v{Display(r[1])}", Check).Malformed;
    }

    // As the key store reads it.
    private static bool Check(object?[] row)
    {
        Value(Columns[0], row[0], v => KeyScope.FromStore((string)v));
        Int(Columns[1], row[1], min: 1);
        Value(Columns[2], row[2], v => Enum.TryParse<KeyVersionStatus>((string)v, ignoreCase: true, out var status) && Enum.IsDefined(status) ? status : throw new FormatException());
        ValueOrNull(Columns[3], row[3], v => WrappedKey.Parse((string)v));
        Value(Columns[4], row[4], v => Convert.FromBase64String((string)v));
        Time(Columns[5], row[5]);
        for (var i = 6; i <= 10; i++)
            TimeOrNull(Columns[i], row[i]);
        Int(Columns[11], row[11]);
        return true;
    }
}
