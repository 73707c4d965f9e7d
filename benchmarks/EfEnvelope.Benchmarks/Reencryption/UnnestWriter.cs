using Npgsql;
using NpgsqlTypes;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>
/// Writes constant bytes by the plainest statement that can write many rows at once: no lock that is tried first, no look at what the row holds. It would
/// overwrite what others write meanwhile.
/// </summary>
internal sealed class UnnestWriter : IAsyncDisposable
{
    private const string Sql =
        """
        UPDATE "Customers" AS t SET "Ssn" = u.a, "Card" = u.b, "Phone" = u.c
        FROM unnest($1, $2, $3, $4) AS u(id, a, b, c) WHERE t."Id" = u.id
        """;

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlCommand _command;
    private readonly List<(long[] Keys, byte[][] Values)> _batches;

    private UnnestWriter(NpgsqlConnection connection, NpgsqlCommand command, List<(long[] Keys, byte[][] Values)> batches)
        => (_connection, _command, _batches) = (connection, command, batches);

    public static async Task<UnnestWriter> CreateAsync(PostgresCustomers customers, int batchSize, int length)
    {
        var connection = new NpgsqlConnection(customers.ConnectionString);
        await connection.OpenAsync();
        await using (var settings = new NpgsqlCommand("SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan", connection))
            await settings.ExecuteNonQueryAsync();
        var command = new NpgsqlCommand(Sql, connection);
        command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        for (var i = 0; i < 3; i++)
            command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
        await command.PrepareAsync();
        var constant = ConstantWriter.Constant(length);
        return new UnnestWriter(
            connection, command,
            [.. Enumerable.Range(1, (int)customers.Rows).Select(i => (long)i).Chunk(batchSize).Select(keys => (keys, keys.Select(_ => constant).ToArray()))]);
    }

    /// <summary>Writes every row.</summary>
    public async Task RunAsync()
    {
        foreach (var (keys, values) in _batches)
        {
            await using var transaction = await _connection.BeginTransactionAsync();
            _command.Transaction = transaction;
            _command.Parameters[0].Value = keys;
            for (var i = 1; i <= 3; i++)
                _command.Parameters[i].Value = values;
            var written = await _command.ExecuteNonQueryAsync();
            CustomerDatabase.Require(written == keys.Length, $"{written} of {keys.Length} rows of a batch were written");
            await transaction.CommitAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _command.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
