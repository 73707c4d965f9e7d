using System.Data.Common;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteIsolationTests() : IsolationSpecification(new SqliteTestDatabase(), new SqliteTestDatabase())
{
    [Fact]
    public async Task Two_databases_in_memory_behind_given_connections_share_no_ring()
    {
        await using var connection1 = new SqliteConnection("Data Source=:memory:");
        await using var connection2 = new SqliteConnection("Data Source=:memory:");
        await connection1.OpenAsync();
        await connection2.OpenAsync();
        var (first, second) = (InMemory(connection1), InMemory(connection2));
        await CreateAsync(first);
        await CreateAsync(second);

        await SaveAsync(first, "first");
        await SaveAsync(second, "second");

        await AssertReadsAsync(first, "first", 1);
        await AssertReadsAsync(second, "second", 1);
        Assert.Equal(2, Kms.Wraps);
        Assert.NotEqual(await ReadAsync(connection1, $"SELECT hex(Commitment) FROM __EnvelopeKeys WHERE {Database.OfApplications}"), await ReadAsync(connection2, $"SELECT hex(Commitment) FROM __EnvelopeKeys WHERE {Database.OfApplications}"));
    }

    [Fact]
    public async Task Two_databases_in_memory_behind_one_connection_string_share_no_ring()
    {
        var options = Build(o => o.UseSqlite("Data Source=:memory:"));
        await using var first = new NoteContext(options);
        await using var second = new NoteContext(options);
        foreach (var context in new[] { first, second })
        {
            await context.Database.OpenConnectionAsync();
            await context.Database.EnsureCreatedAsync();
            context.Add(new Note { Text = "in memory" });
            await context.SaveChangesAsync();
        }

        Assert.Equal("in memory", (await first.Notes.AsNoTracking().SingleAsync()).Text);
        Assert.Equal("in memory", (await second.Notes.AsNoTracking().SingleAsync()).Text);
        Assert.Equal(2, Kms.Wraps);
    }

    [Fact]
    public async Task Database_in_memory_that_was_closed_and_made_anew_gets_fresh_keys()
    {
        await using var context = new NoteContext(Build(o => o.UseSqlite("Data Source=:memory:")));
        for (var round = 1; round <= 2; round++)
        {
            await context.Database.OpenConnectionAsync();
            await context.Database.EnsureCreatedAsync();
            context.Add(new Note { Text = $"round {round}" });
            await context.SaveChangesAsync();
            context.ChangeTracker.Clear();
            Assert.Equal($"round {round}", (await context.Notes.AsNoTracking().SingleAsync()).Text);
            Assert.Equal(1L, await ReadAsync(context.Database.GetDbConnection(), $"SELECT count(*) FROM __EnvelopeKeys WHERE {Database.OfApplications}"));
            Assert.Equal(round, Kms.Wraps);
            await context.Database.CloseConnectionAsync();
        }
    }

    [Theory]
    [InlineData("Data Source={0};Mode=Memory;Cache=Shared")]
    [InlineData("Data Source=file:{0}?mode=memory&cache=shared")]
    public async Task Shared_database_in_memory_has_one_ring_for_all_its_connections(string connectionString)
    {
        var named = string.Format(System.Globalization.CultureInfo.InvariantCulture, connectionString, $"shared{Guid.NewGuid():N}");
        await using var open = new SqliteConnection(named);
        await open.OpenAsync();
        var options = Build(o => o.UseSqlite(named));
        await CreateAsync(options);

        await SaveAsync(options, "shared");
        await SaveAsync(options, "shared");

        await AssertReadsAsync(options, "shared", 2);
        await AssertReadsAsync(InMemory(open), "shared", 2);
        Assert.Equal(1, Kms.Wraps);
    }

    [Fact]
    public async Task Two_shared_databases_in_memory_share_no_ring()
    {
        var databases = new List<DbContextOptions<NoteContext>>();
        var open = new List<SqliteConnection>();
        foreach (var name in new[] { "one", "two" })
        {
            var connection = new SqliteConnection($"Data Source={name}{Guid.NewGuid():N};Mode=Memory;Cache=Shared");
            await connection.OpenAsync();
            open.Add(connection);
            databases.Add(InMemory(connection));
            await CreateAsync(databases[^1]);
        }

        foreach (var database in databases)
            await SaveAsync(database, "shared");

        foreach (var (connection, database) in open.Zip(databases))
        {
            await AssertReadsAsync(database, "shared", 1);
            Assert.Equal(1L, await ReadAsync(connection, $"SELECT count(*) FROM __EnvelopeKeys WHERE {Database.OfApplications}"));
            await connection.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("Data Source=file::memory:")]
    [InlineData("Data Source=file:any?mode=memory")]
    [InlineData("Data Source=")]
    public async Task Every_spelling_of_a_private_database_has_a_ring_of_its_own(string connectionString)
    {
        var options = Build(o => o.UseSqlite(connectionString));
        await using var first = new NoteContext(options);
        await using var second = new NoteContext(options);
        foreach (var context in new[] { first, second })
        {
            await context.Database.OpenConnectionAsync();
            await context.Database.EnsureCreatedAsync();
        }

        foreach (var context in new[] { first, second })
        {
            context.Add(new Note { Text = "private" });
            await context.SaveChangesAsync();
        }

        foreach (var context in new[] { first, second })
        {
            Assert.Equal("private", (await context.Notes.AsNoTracking().SingleAsync()).Text);
            Assert.Equal(1L, await ReadAsync(context.Database.GetDbConnection(), $"SELECT count(*) FROM __EnvelopeKeys WHERE {Database.OfApplications}"));
        }

        Assert.Equal(2, Kms.Wraps);
    }

    [Fact]
    public async Task Given_connection_is_left_open_or_closed_as_it_was()
    {
        await using var connection = (SqliteConnection)Database.CreateConnection();
        var options = InMemory(connection);
        await CreateAsync(options);
        await SaveAsync(options, "closed");
        Assert.Equal(System.Data.ConnectionState.Closed, connection.State);
        await connection.OpenAsync();
        await SaveAsync(options, "closed");
        await AssertReadsAsync(options, "closed", 2);
        Assert.Equal(System.Data.ConnectionState.Open, connection.State);
    }

    private DbContextOptions<NoteContext> InMemory(DbConnection connection) => Build(o => o.UseSqlite(connection));

    private DbContextOptions<NoteContext> Build(Action<DbContextOptionsBuilder<NoteContext>> use)
    {
        var builder = new DbContextOptionsBuilder<NoteContext>();
        use(builder);
        return builder.UseEnvelopeEncryption(e => e.UseKms(Kms))
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options;
    }

    private static async Task<object?> ReadAsync(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync();
    }
}

public sealed class PostgresIsolationTests() : IsolationSpecification(new PostgresTestDatabase(), new PostgresTestDatabase())
{
    private string ConnectionString => ((PostgresTestDatabase)Database).ConnectionString;

    [Fact]
    public async Task Data_source_of_the_application_reaches_the_key_store_too()
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString);

        await RoundTripAsync(o => o.UseNpgsql(source));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connection_of_the_application_is_cloned_for_the_key_store(bool open)
    {
        await using var connection = new NpgsqlConnection(ConnectionString);
        if (open)
            await connection.OpenAsync();

        await RoundTripAsync(o => o.UseNpgsql(connection));

        Assert.Equal(open, connection.State == System.Data.ConnectionState.Open);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connection_that_is_set_later_is_used_for_the_key_store(bool openedBefore)
    {
        await using var connection = new NpgsqlConnection(ConnectionString);
        if (openedBefore)
        {
            // From now on it does not show its password.
            await connection.OpenAsync();
            await connection.CloseAsync();
            Assert.DoesNotContain("Password", connection.ConnectionString, StringComparison.OrdinalIgnoreCase);
        }

        var builder = new DbContextOptionsBuilder<NoteContext>().UseNpgsql();
        builder.UseEnvelopeEncryption(e => e.UseKms(Kms)).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        await using var context = new NoteContext(builder.Options);
        context.Database.SetDbConnection(connection);

        await context.Database.EnsureCreatedAsync();
        context.Add(new Note { Text = "set later" });
        await context.SaveChangesAsync();

        Assert.Equal("set later", (await context.Notes.AsNoTracking().SingleAsync()).Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Schemas_in_one_database_have_rings_of_their_own(bool bySearchPath)
    {
        var options = new List<DbContextOptions<NoteContext>>();
        foreach (var schema in new[] { "tenant_a", "tenant_b" })
        {
            await Database.QueryAsync($"CREATE SCHEMA {schema}");
            var searchPath = new NpgsqlConnectionStringBuilder(ConnectionString) { SearchPath = schema }.ConnectionString;
            var builder = new DbContextOptionsBuilder<NoteContext>().UseNpgsql(bySearchPath ? searchPath : ConnectionString);
            builder.ReplaceService<IModelCustomizer, SchemaCustomizer>().ReplaceService<IModelCacheKeyFactory, SchemaCacheKeyFactory>();
            ((IDbContextOptionsBuilderInfrastructure)builder).AddOrUpdateExtension(new SchemaExtension(bySearchPath ? null : schema));
            builder.UseEnvelopeEncryption(e => e.UseKms(Kms)).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
            options.Add(builder.Options);
            await using var context = new NoteContext(builder.Options);
            await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
        }

        foreach (var tenant in options)
            await SaveAsync(tenant, "of a schema");

        foreach (var (tenant, schema) in options.Zip(["tenant_a", "tenant_b"]))
        {
            await AssertReadsAsync(tenant, "of a schema", 1);
            Assert.Single(await Database.QueryAsync($"SELECT \"Version\" FROM {schema}.\"__EnvelopeKeys\" WHERE {Database.OfApplications}"));
        }

        Assert.Equal(2, Kms.Wraps);
    }

    [Fact]
    public async Task Database_made_anew_by_one_user_is_made_anew_for_the_other()
    {
        var application = Build(o => o.UseNpgsql(ConnectionString));
        var administrator = Build(o => o.UseNpgsql(ConnectionString + ";Application Name=administrator"));
        await CreateAsync(application);
        await SaveAsync(application, "old");
        await using (var context = new NoteContext(administrator))
            await context.Database.EnsureDeletedAsync();
        NpgsqlConnection.ClearAllPools();
        await CreateAsync(administrator);

        await SaveAsync(application, "new");

        Assert.Single(await Database.QueryAsync($"SELECT \"Version\" FROM \"__EnvelopeKeys\" WHERE {Database.OfApplications}"));
        await AssertReadsAsync(administrator, "new", 1);
    }

    [Fact]
    public async Task Rolled_back_transaction_takes_no_key_with_it()
    {
        var options = Build(o => o.UseNpgsql(ConnectionString));
        await CreateAsync(options);
        await using (var context = new NoteContext(options))
        await using (var transaction = await context.Database.BeginTransactionAsync())
        {
            context.Add(new Note { Text = "gone" });
            await context.SaveChangesAsync();
            await transaction.RollbackAsync();
        }

        await SaveAsync(options, "stays");

        await AssertReadsAsync(options, "stays", 1);
        Assert.Equal(1, Kms.Wraps);
        Assert.Single(await Database.QueryAsync($"SELECT \"Version\" FROM \"__EnvelopeKeys\" WHERE {Database.OfApplications}"));
    }

    [Fact]
    public async Task Retrying_execution_strategy_is_no_hindrance()
        => await RoundTripAsync(o => o.UseNpgsql(ConnectionString, n => n.EnableRetryOnFailure()));

    private async Task RoundTripAsync(Action<DbContextOptionsBuilder<NoteContext>> use)
    {
        var options = Build(use);
        await CreateAsync(options);
        await SaveAsync(options, "saved");
        await AssertReadsAsync(options, "saved", 1);
        await using var context = new NoteContext(options);
        await using var transaction = context.Database.CreateExecutionStrategy().RetriesOnFailure ? null : await context.Database.BeginTransactionAsync();
        await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
        context.Add(new Note { Text = "saved" });
        await context.SaveChangesAsync();
        if (transaction is not null)
            await transaction.CommitAsync();
        await AssertReadsAsync(options, "saved", 2);
    }

    private DbContextOptions<NoteContext> Build(Action<DbContextOptionsBuilder<NoteContext>> use)
    {
        var builder = new DbContextOptionsBuilder<NoteContext>();
        use(builder);
        return builder.UseEnvelopeEncryption(e => e.UseKms(Kms))
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options;
    }
}

/// <summary>Gives the model a default schema, as applications with one schema per tenant do.</summary>
internal sealed class SchemaCustomizer(ModelCustomizerDependencies dependencies) : RelationalModelCustomizer(dependencies)
{
    public override void Customize(ModelBuilder modelBuilder, DbContext context)
    {
        base.Customize(modelBuilder, context);
        modelBuilder.HasDefaultSchema(context.GetService<IDbContextOptions>().FindExtension<SchemaExtension>()!.Schema);
    }
}

internal sealed class SchemaCacheKeyFactory : IModelCacheKeyFactory
{
    public object Create(DbContext context, bool designTime)
        => (context.GetType(), context.GetService<IDbContextOptions>().FindExtension<SchemaExtension>()!.Schema, designTime);
}

internal sealed class SchemaExtension(string? schema) : IDbContextOptionsExtension
{
    public string? Schema => schema;

    public DbContextOptionsExtensionInfo Info => field ??= new ExtensionInfo(this);

    public void ApplyServices(IServiceCollection services)
    {
    }

    public void Validate(IDbContextOptions options)
    {
    }

    private sealed class ExtensionInfo(SchemaExtension extension) : DbContextOptionsExtensionInfo(extension)
    {
        public override bool IsDatabaseProvider => false;

        public override string LogFragment => "";

        public override int GetServiceProviderHashCode() => 0;

        public override bool ShouldUseSameServiceProvider(DbContextOptionsExtensionInfo other) => other is ExtensionInfo;

        public override void PopulateDebugInfo(IDictionary<string, string> debugInfo)
        {
        }
    }
}

[Collection("SqlServer")]
public sealed class SqlServerIsolationTests() : IsolationSpecification(new SqlServerTestDatabase(), null);
