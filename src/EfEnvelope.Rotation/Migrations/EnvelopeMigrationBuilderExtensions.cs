using EfEnvelope;
using EfEnvelope.Rotation;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;

namespace Microsoft.EntityFrameworkCore.Migrations;

/// <summary>
/// Lets a migration carry a rotation: each call stores a job, which the hosted service (<c>AddEnvelopeJobs</c>) or the tool (<c>efenvelope jobs run</c>) runs
/// afterwards. The migration itself needs no KMS and touches no row.
/// </summary>
public static class EnvelopeMigrationBuilderExtensions
{
    /// <summary>Enqueues a rotation: a new key version, which becomes primary after the configured activation delay.</summary>
    /// <param name="migrationBuilder">The migration.</param>
    /// <param name="scope">The key scope.</param>
    /// <param name="includeSearch">Whether it also writes what is compared: blind indexes and deterministic values.</param>
    /// <param name="schema">The schema of the <c>__Envelope…</c> tables, or <see langword="null" /> for the database's own default.</param>
    /// <returns>The same migration.</returns>
    public static MigrationBuilder RotateEnvelopeKey(
        this MigrationBuilder migrationBuilder, string scope = "default", bool includeSearch = false, string? schema = null)
        => Enqueue(migrationBuilder, new JobRequest { Kind = JobKind.Rotate, IncludeSearch = includeSearch }, scope, schema);

    /// <summary>Enqueues the re-encryption of a column. It waits for rotations that were enqueued before it.</summary>
    /// <param name="migrationBuilder">The migration.</param>
    /// <param name="table">The table.</param>
    /// <param name="column">The column, or <see langword="null" /> for all encrypted columns of the table.</param>
    /// <param name="tableSchema">The schema of the table, or <see langword="null" /> for the database's own default.</param>
    /// <param name="scope">The key scope.</param>
    /// <param name="schema">The schema of the <c>__Envelope…</c> tables, or <see langword="null" /> for the database's own default.</param>
    /// <returns>The same migration.</returns>
    public static MigrationBuilder ReencryptColumn(
        this MigrationBuilder migrationBuilder, string table, string? column = null, string? tableSchema = null, string scope = "default", string? schema = null)
        => Enqueue(migrationBuilder, Request(JobKind.Reencrypt, table, column, tableSchema), scope, schema);

    /// <summary>Enqueues the reindexing of a table: blind indexes and deterministic values move to the present key version, and missing blind indexes are filled.</summary>
    /// <param name="migrationBuilder">The migration.</param>
    /// <param name="table">The table.</param>
    /// <param name="tableSchema">The schema of the table, or <see langword="null" /> for the database's own default.</param>
    /// <param name="scope">The key scope.</param>
    /// <param name="schema">The schema of the <c>__Envelope…</c> tables, or <see langword="null" /> for the database's own default.</param>
    /// <returns>The same migration.</returns>
    public static MigrationBuilder ReindexTable(
        this MigrationBuilder migrationBuilder, string table, string? tableSchema = null, string scope = "default", string? schema = null)
        => Enqueue(migrationBuilder, Request(JobKind.Reindex, table, null, tableSchema), scope, schema);

    /// <summary>Enqueues the encryption of a column's plaintexts, in its own text column or into another encrypted column of the table.</summary>
    /// <param name="migrationBuilder">The migration.</param>
    /// <param name="table">The table.</param>
    /// <param name="column">The column; without <paramref name="into" />, one that the model has with <c>EncryptedStorage.Text</c>.</param>
    /// <param name="into">The encrypted column that is filled, or <see langword="null" /> for the column itself.</param>
    /// <param name="tableSchema">The schema of the table, or <see langword="null" /> for the database's own default.</param>
    /// <param name="scope">The key scope.</param>
    /// <param name="schema">The schema of the <c>__Envelope…</c> tables, or <see langword="null" /> for the database's own default.</param>
    /// <returns>The same migration.</returns>
    public static MigrationBuilder BackfillColumn(
        this MigrationBuilder migrationBuilder, string table, string column, string? into = null, string? tableSchema = null, string scope = "default", string? schema = null)
    {
        ArgumentNullException.ThrowIfNull(column);
        return Enqueue(migrationBuilder, Request(JobKind.Backfill, table, column, tableSchema) with { Into = into }, scope, schema);
    }

    private static JobRequest Request(JobKind kind, string table, string? column, string? schema)
    {
        ArgumentException.ThrowIfNullOrEmpty(table);
        return new JobRequest { Kind = kind, Table = table, Schema = schema ?? "", Columns = column is null ? [] : [column] };
    }

    private static MigrationBuilder Enqueue(MigrationBuilder migrationBuilder, JobRequest request, string scope, string? schema)
    {
        ArgumentNullException.ThrowIfNull(migrationBuilder);
        if (!EfEnvelope.Keys.KeyScope.IsWellFormed(scope))
            throw new EnvelopeConfigurationException(EfEnvelope.Diagnostics.Messages.MalformedScope(scope));
        var dialect = Dialect.Of(migrationBuilder.ActiveProvider);
        foreach (var statement in dialect.CreateJobTables(schema))
            migrationBuilder.Sql(statement);
        migrationBuilder.Sql(JobStore.InsertStatement(dialect, schema, request with { Scope = scope }, scope));
        return migrationBuilder;
    }
}
