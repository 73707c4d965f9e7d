using System.Data.Common;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// Reads all versions of a scope, and before them the database's clock, in one round trip. Every tenant's ring is read by it: composing queries for EF Core to
/// find in its cache would cost more than they do.
/// </summary>
internal static class KeyRows
{
    private const string ScopeParameter = "scope";

    // In the order in which they are read below.
    private static readonly string[] Columns =
    [
        EnvelopeTables.Scope,
        EnvelopeTables.Version,
        EnvelopeTables.Status,
        EnvelopeTables.WrappedKey,
        EnvelopeTables.Commitment,
        EnvelopeTables.CreatedAt,
        EnvelopeTables.EncryptsFrom,
        EnvelopeTables.EncryptsUntil,
        EnvelopeTables.SearchesFrom,
        EnvelopeTables.UniqueFrom,
        EnvelopeTables.RetiredAt,
        EnvelopeTables.Revision,
    ];

    /// <summary>Reads through a connection that is open.</summary>
    /// <param name="model">Whose key table is read: its name, its schema and the types of its columns.</param>
    /// <param name="connection">The connection.</param>
    /// <param name="transaction">The transaction that is open on it, or <see langword="null" />.</param>
    /// <param name="timeout">How long the command may take, in seconds; <see langword="null" /> for as long as the provider lets it.</param>
    /// <param name="scope">The scope.</param>
    public static KeyStoreSnapshot Read(DbContext model, DbConnection connection, DbTransaction? transaction, int? timeout, KeyScope scope)
    {
        using var command = NewCommand(model, connection, transaction, timeout, scope);
        using var rows = command.ExecuteReader();
        rows.Read();
        var time = rows.GetString(0);
        rows.NextResult();
        var keys = new Found(scope);
        while (rows.Read())
            keys.Add(rows);
        return keys.ToSnapshot(time);
    }

    /// <inheritdoc cref="Read" />
    public static async Task<KeyStoreSnapshot> ReadAsync(
        DbContext model, DbConnection connection, DbTransaction? transaction, int? timeout, KeyScope scope, CancellationToken cancellationToken)
    {
        var command = NewCommand(model, connection, transaction, timeout, scope);
        await using (command.ConfigureAwait(false))
        {
            var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (rows.ConfigureAwait(false))
            {
                await rows.ReadAsync(cancellationToken).ConfigureAwait(false);
                var time = rows.GetString(0);
                await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
                var keys = new Found(scope);
                while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
                    keys.Add(rows);
                return keys.ToSnapshot(time);
            }
        }
    }

    /// <summary>What was read of one scope.</summary>
    private sealed class Found(KeyScope scope)
    {
        private readonly List<StoredKey> _keys = new(1);
        private EnvelopeDecryptionException? _malformed;

        // A database that compares without regard to case or spaces at the end answers with rows of other scopes, too. One intermediate key that cannot be read
        // concerns the scopes under it, and no other; each of them says so when it is opened.
        public void Add(DbDataReader row)
        {
            if (row.GetValue(0) as string != scope.Name)
                return;
            try
            {
                _keys.Add(ToKey(row));
            }
            catch (EnvelopeDecryptionException e) when (scope == KeyScope.Intermediate)
            {
                _malformed ??= e;
            }
        }

        public KeyStoreSnapshot ToSnapshot(string time)
        {
            if (_keys.Count == 0 && _malformed is not null)
                throw _malformed;
            _keys.Sort(static (a, b) => a.Version.Number.CompareTo(b.Version.Number));
            return new KeyStoreSnapshot(_keys, StoreTimes.Parse(time)!.Value);
        }
    }

    // The parameter has the column's own type: one of another type would keep SQL Server from the table's index.
    private static DbCommand NewCommand(DbContext model, DbConnection connection, DbTransaction? transaction, int? timeout, KeyScope scope)
    {
        var (text, type) = model.Model.GetOrAddRuntimeAnnotationValue<(string Text, RelationalTypeMapping Type), DbContext>(
            "EfEnvelope:ReadKeys", static context => (TextOf(context!), TypeOfScope(context!)), model);
        var command = connection.CreateCommand();
        command.CommandText = text;
        if (transaction is not null)
            command.Transaction = transaction;
        if (timeout is { } seconds)
            command.CommandTimeout = seconds;
        var name = model.GetService<ISqlGenerationHelper>().GenerateParameterName(ScopeParameter);
        command.Parameters.Add(type.CreateParameter(command, name, scope.Name, nullable: false));
        return command;
    }

    private static RelationalTypeMapping TypeOfScope(DbContext context)
        => EnvelopeTablesSql.FindMapping(context.GetService<IRelationalTypeMappingSource>(), EnvelopeTables.All[0].Columns[0]);

    private static string TextOf(DbContext model)
    {
        var sql = model.GetService<ISqlGenerationHelper>();
        return $"{DatabaseClock.Sql(model.Database.ProviderName)}; SELECT {string.Join(", ", Columns.Select(sql.DelimitIdentifier))}"
            + $" FROM {sql.DelimitIdentifier(EnvelopeTables.Keys, EnvelopeTables.FindSchema(model.Model))}"
            + $" WHERE {sql.DelimitIdentifier(EnvelopeTables.Scope)} = {sql.GenerateParameterName(ScopeParameter)}";
    }

    private static StoredKey ToKey(DbDataReader row)
    {
        try
        {
            return new StoredKey
            {
                Version = new KeyVersion(KeyScope.FromStore(row.GetString(0)), row.GetInt32(1)),
                Status = Enum.Parse<KeyVersionStatus>(row.GetString(2), ignoreCase: true) is var status && Enum.IsDefined(status) ? status : throw new FormatException(),
                Wrapped = Find(row, 3) is { } wrapped ? WrappedKey.Parse(wrapped) : null,
                Commitment = Convert.FromBase64String(row.GetString(4)),
                CreatedAt = StoreTimes.Parse(row.GetString(5))!.Value,
                EncryptsFrom = StoreTimes.Parse(Find(row, 6)),
                EncryptsUntil = StoreTimes.Parse(Find(row, 7)),
                SearchesFrom = StoreTimes.Parse(Find(row, 8)),
                UniqueFrom = StoreTimes.Parse(Find(row, 9)),
                RetiredAt = StoreTimes.Parse(Find(row, 10)),
                Revision = row.GetInt32(11),
            };
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException or InvalidCastException or InvalidOperationException)
        {
            throw new EnvelopeDecryptionException(EnvelopeMessages.KeyRowMalformed(EnvelopeTables.Keys, row.GetValue(0), row.GetValue(1)));
        }
    }

    private static string? Find(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
