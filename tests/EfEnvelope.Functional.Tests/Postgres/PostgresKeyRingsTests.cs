using System.Data.Common;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Rotation;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional.Postgres;

/// <summary>A ring belongs to the database and the schema that it was read from, however a connection string is spelled and whatever the client makes of it.</summary>
public sealed class PostgresKeyRingsTests() : EnvelopeSpecification(new PostgresTestDatabase())
{
    private string ConnectionString => ((PostgresTestDatabase)Database).ConnectionString;

    public static TheoryData<string> Spellings => ["pooling", "synonyms", "error detail", "data source", "given connection", "data source builder"];

    [Theory]
    [MemberData(nameof(Spellings))]
    public async Task Searches_find_the_row_after_a_rotation_however_the_connection_is_spelled(string spelling)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString);
        var options = Options(o => Spell(o, spelling, source));
        await CreateAsync(options);
        await SaveAsync(options, "ada@x");
        Assert.Equal(1, await CountAsync(options, "ada@x"));
        await using (var context = new MailContext(options))
            await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        await ReindexAsync();

        for (var i = 0; i < 8; i++)
        {
            Assert.Equal(1, await CountAsync(options, "ada@x"));
            await using var context = new MailContext(options);
            Assert.Equal("ada@x", context.Mails.Single(m => m.Address == "ada@x").Address);
        }
    }

    [Theory]
    [MemberData(nameof(Spellings))]
    public async Task Keys_that_were_loaded_are_those_that_queries_use(string spelling)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString);
        var setUp = Options(o => o.UseNpgsql(ConnectionString));
        await CreateAsync(setUp);
        await SaveAsync(setUp, "ada@x");
        var options = Options(o => Spell(o, spelling, source), e => e.UseTimeProvider(new OtherProcess()));
        var before = Kms.Unwraps;
        await using (var context = new MailContext(options))
            await context.Database.LoadEnvelopeKeysAsync();
        Assert.Equal(1, Kms.Unwraps - before);
        await Database.QueryAsync("ALTER TABLE \"__EnvelopeKeys\" RENAME TO hidden");

        Assert.Equal(1, await CountAsync(options, "ada@x"));
        await using (var context = new MailContext(options))
            Assert.Equal("ada@x", context.Mails.Single().Address);
        Assert.Equal(1, Kms.Unwraps - before);
    }

    [Fact]
    public async Task Two_addresses_of_one_server_follow_each_others_rotations()
    {
        var host = new NpgsqlConnectionStringBuilder(ConnectionString).Host;
        var other = new NpgsqlConnectionStringBuilder(ConnectionString) { Host = host == "localhost" ? "127.0.0.1" : "localhost" }.ConnectionString;
        var (first, second) = (Options(o => o.UseNpgsql(ConnectionString)), Options(o => o.UseNpgsql(other)));
        await CreateAsync(first);
        await SaveAsync(first, "ada@x");
        Assert.Equal(1, await CountAsync(first, "ada@x"));
        Assert.Equal(1, await CountAsync(second, "ada@x"));
        await using (var context = new MailContext(second))
            await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);

        await SaveAsync(second, "bob@x");
        await ReindexAsync();

        Assert.Equal(1, await CountAsync(first, "bob@x"));
        Assert.Equal(1, await CountAsync(first, "ada@x"));
        Assert.Equal(1, await CountAsync(second, "bob@x"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tenants_whose_interceptor_sets_the_search_path_never_share_a_ring(bool named)
    {
        foreach (var tenant in new[] { "one", "two" })
        {
            await Database.QueryAsync($"CREATE SCHEMA {tenant}");
            await using var context = new TenantContext(Tenants(named), tenant);
            await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
        }

        await UseAsync("one", c => c.Database.LoadEnvelopeKeysAsync(), named);
        await SaveAsync("one", named);
        Assert.Empty(await KeysOfAsync("two"));
        await UseAsync("two", async c => Assert.False(await c.Mails.AnyAsync(m => m.Address == "one@x")), named);
        Assert.Empty(await KeysOfAsync("two"));
        await UseAsync("two", c => c.Database.LoadEnvelopeKeysAsync(), named);
        await SaveAsync("two", named);
        await UseAsync("two", c => c.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true), named);
        await SaveAsync("two", named, "new@x");

        foreach (var tenant in new[] { "one", "two" })
        {
            await UseAsync(tenant, async c => Assert.True(await c.Mails.AnyAsync(m => m.Address == $"{tenant}@x")), named);
            await UseAsync(tenant, c => Task.FromResult(Assert.Single(c.Mails.Where(m => m.Address == $"{tenant}@x").ToList())), named);
        }

        await UseAsync("two", async c => Assert.True(await c.Mails.AnyAsync(m => m.Address == "new@x")), named);
        Assert.Single(await KeysOfAsync("one"));
        Assert.Equal(2, (await KeysOfAsync("two")).Count);
        Assert.Empty((await KeysOfAsync("one")).Intersect(await KeysOfAsync("two")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Schema_is_asked_for_once_per_opening_where_an_interceptor_may_choose_it_and_not_if_it_is_named(bool named)
    {
        await Database.QueryAsync("CREATE SCHEMA one");
        await using (var context = new TenantContext(Tenants(named), "one"))
            await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
        await SaveAsync("one", named);

        using var asked = new AskedCommands();
        await using (var context = new TenantContext(Tenants(named), "one"))
        {
            await context.Database.OpenConnectionAsync();
            Assert.True(await context.Mails.AnyAsync(m => m.Address == "one@x"));
            Assert.Single(context.Mails.ToList());
            await context.Database.CloseConnectionAsync();
            Assert.Equal(named ? 0 : 1, asked.Count);
            await context.Mails.ToListAsync();
        }

        Assert.Equal(named ? 0 : 2, asked.Count);
    }

    [Fact]
    public async Task Search_path_of_a_role_tells_its_tables_apart()
    {
        var roles = new Dictionary<string, DbContextOptions<MailContext>>();
        foreach (var name in new[] { "one", "two" })
        {
            var role = $"{((PostgresTestDatabase)Database).Name}_{name}";
            await Database.QueryAsync($"CREATE SCHEMA {name}; CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'efe'; ALTER ROLE {role} SET search_path = {name}");
            roles[name] = Options(o => o.UseNpgsql(new NpgsqlConnectionStringBuilder(ConnectionString) { Username = role, Password = "efe" }.ConnectionString));
            await using var context = new MailContext(roles[name]);
            await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
        }

        try
        {
            foreach (var (name, options) in roles)
                await SaveAsync(options, $"{name}@x");
            foreach (var (name, options) in roles)
            {
                Assert.Equal(1, await CountAsync(options, $"{name}@x"));
                Assert.Single(await KeysOfAsync(name));
            }
        }
        finally
        {
            foreach (var name in roles.Keys)
            {
                var role = $"{((PostgresTestDatabase)Database).Name}_{name}";
                await Database.QueryAsync($"DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
            }
        }
    }

    private void Spell(DbContextOptionsBuilder options, string spelling, NpgsqlDataSource source)
    {
        var parts = new NpgsqlConnectionStringBuilder(ConnectionString);
        var bare = $"Server={parts.Host};Port={parts.Port};User Id={parts.Username};Pwd={parts.Password};Database={parts.Database}";
        _ = spelling switch
        {
            "pooling" => options.UseNpgsql($"{bare};Pooling=true"),
            "synonyms" => options.UseNpgsql(bare),
            "error detail" => options.UseNpgsql($"{bare};Include Error Detail=true"),
            "data source" => options.UseNpgsql(source),
            "given connection" => options.UseNpgsql(source.CreateConnection()),
            _ => options.UseNpgsql(ConnectionString, n => n.ConfigureDataSource(b => b.ConnectionStringBuilder.MaxAutoPrepare = 1)),
        };
    }

    private DbContextOptions<MailContext> Options(Action<DbContextOptionsBuilder> use, Action<EnvelopeOptionsBuilder>? envelope = null)
    {
        var builder = new DbContextOptionsBuilder<MailContext>();
        use(builder);
        return Encrypt(builder, envelope).Options;
    }

    private DbContextOptionsBuilder<TContext> Encrypt<TContext>(DbContextOptionsBuilder<TContext> builder, Action<EnvelopeOptionsBuilder>? envelope = null)
        where TContext : DbContext
        => builder.UseEnvelopeEncryption(
            e =>
            {
                e.UseKms(Kms);
                envelope?.Invoke(e);
            }).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    private DbContextOptions<TenantContext> Tenants(bool named)
        => Encrypt(
            new DbContextOptionsBuilder<TenantContext>().UseNpgsql(ConnectionString).AddInterceptors(new SearchPathInterceptor()),
            named ? e => e.ForSchema(c => ((TenantContext)c).Tenant) : null).Options;

    private async Task UseAsync(string tenant, Func<TenantContext, Task> use, bool named)
    {
        await using var context = new TenantContext(Tenants(named), tenant);
        await use(context);
    }

    private Task SaveAsync(string tenant, bool named, string? address = null)
        => UseAsync(
            tenant,
            async c =>
            {
                c.Add(new Mail { Address = address ?? $"{tenant}@x" });
                await c.SaveChangesAsync();
            },
            named);

    private Task<List<object?>> KeysOfAsync(string schema)
        => Database.QueryAsync($"SELECT \"Commitment\" FROM {schema}.\"__EnvelopeKeys\" WHERE {Database.OfApplications}");

    // As if the hour had passed for which the job waits, because other instances may still write under the older version.
    private async Task ReindexAsync()
    {
        await Database.QueryAsync("UPDATE \"__EnvelopeKeys\" SET \"EncryptsUntil\" = \"EncryptsFrom\" WHERE \"EncryptsUntil\" IS NOT NULL");
        await using var database = EncryptedDatabase.Open(
            new DbContextOptionsBuilder().UseNpgsql(ConnectionString)
                .UseEnvelopeEncryption(e => e.UseKms(Kms).Configure(o => o with { RefreshInterval = TimeSpan.FromMilliseconds(1) })).Options);
        var job = await database.Jobs.EnqueueAsync(await database.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reindex, Table = "Mails" }));
        await database.Jobs.RunAsync([job.Id]);
        Assert.Equal(JobState.Completed, (await database.Jobs.GetAsync(job.Id)).State);
    }

    private static async Task CreateAsync(DbContextOptions<MailContext> options)
    {
        await using var context = new MailContext(options);
        await context.Database.EnsureCreatedAsync();
    }

    private static async Task SaveAsync(DbContextOptions<MailContext> options, string address)
    {
        await using var context = new MailContext(options);
        context.Add(new Mail { Address = address });
        await context.SaveChangesAsync();
    }

    private static async Task<int> CountAsync(DbContextOptions<MailContext> options, string address)
    {
        await using var context = new MailContext(options);
        return await context.Mails.CountAsync(m => m.Address == address);
    }

    public class MailContext(DbContextOptions options) : DbContext(options)
    {
        public DbSet<Mail> Mails => Set<Mail>();
    }

    public sealed class TenantContext(DbContextOptions<TenantContext> options, string tenant) : MailContext(options)
    {
        public string Tenant => tenant;
    }

    public sealed class Mail
    {
        public int Id { get; set; }

        [Encrypted, BlindIndex]
        public string Address { get; set; } = "";
    }

    // As applications with one schema per tenant do: the tenant is that of the request, for whatever connection is opened.
    private sealed class SearchPathInterceptor : DbConnectionInterceptor
    {
        public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) => Set(connection, eventData).ExecuteNonQuery();

        public override async Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
            => await Set(connection, eventData).ExecuteNonQueryAsync(cancellationToken);

        // A connection of the key store has another context, and no tenant of its own.
        private static DbCommand Set(DbConnection connection, ConnectionEndEventData eventData)
        {
            var command = connection.CreateCommand();
            command.CommandText = $"SET search_path = {(eventData.Context as TenantContext)?.Tenant ?? "public"}";
            return command;
        }
    }

    private sealed class OtherProcess : TimeProvider;

    private sealed class AskedCommands : IDisposable
    {
        private readonly System.Diagnostics.ActivityListener _listener;
        private int _count;

        public AskedCommands()
        {
            _listener = new System.Diagnostics.ActivityListener
            {
                ShouldListenTo = s => s.Name == "Npgsql",
                Sample = (ref System.Diagnostics.ActivityCreationOptions<System.Diagnostics.ActivityContext> _) => System.Diagnostics.ActivitySamplingResult.AllData,
                ActivityStopped = a =>
                {
                    if (a.Tags.Any(t => t.Value?.Contains("to_regclass", StringComparison.Ordinal) == true))
                        Interlocked.Increment(ref _count);
                },
            };
            System.Diagnostics.ActivitySource.AddActivityListener(_listener);
        }

        public int Count => _count;

        public void Dispose() => _listener.Dispose();
    }
}
