using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Xunit;

namespace EfEnvelope.Functional;

/// <summary>Which key store a connection string leads to, as its provider understands it. No database is opened.</summary>
public sealed class KeyStoreIdentityTests
{
    private readonly TestKms _kms = new();

    [Theory]
    [InlineData("Server=db;Database=clinic;User ID=app;Password=a", "data source=tcp:DB,1433;initial catalog=clinic;uid=app;pwd=b;Pooling=false;Application Name=x")]
    [InlineData("Server=db;Database=clinic;Integrated Security=true", "Addr=DB;Database=clinic;Trusted_Connection=yes;Encrypt=false")]
    public void Spellings_of_one_SQL_Server_database_are_one(string one, string other)
        => Assert.Equal(SqlServer(one), SqlServer(other));

    [Theory]
    [InlineData("Server=db;Database=clinic;User ID=app;Password=a", "Server=db;Database=other;User ID=app;Password=a")]
    [InlineData("Server=db;Database=clinic;User ID=app;Password=a", "Server=db2;Database=clinic;User ID=app;Password=a")]
    [InlineData("Server=db;Database=clinic;User ID=app;Password=a", "Server=db;Database=clinic;User ID=tenant;Password=a")]
    public void Other_SQL_Server_databases_and_users_are_others(string one, string other)
        => Assert.NotEqual(SqlServer(one), SqlServer(other));

    [Theory]
    [InlineData("Host=db;Database=clinic;Username=app;Password=a", "Server=DB;Port=5432;Database=clinic;User Id=app;Pwd=b;Pooling=false;Include Error Detail=true")]
    [InlineData("Host=a,b;Database=clinic;Username=app", "Server=A,B;Database=clinic;User Id=app;Timeout=3")]
    [InlineData("Host=db;Database=clinic;Username=app;Search Path=one", "Host=db;Database=clinic;Username=app;SearchPath=one")]
    public void Spellings_of_one_PostgreSQL_database_are_one(string one, string other)
        => Assert.Equal(Postgres(one), Postgres(other));

    [Theory]
    [InlineData("Host=db;Database=clinic;Username=app", "Host=db;Database=other;Username=app")]
    [InlineData("Host=db;Database=clinic;Username=app", "Host=db;Port=5433;Database=clinic;Username=app")]
    [InlineData("Host=db;Database=clinic;Username=app", "Host=db;Database=clinic;Username=tenant")]
    [InlineData("Host=db;Database=clinic;Username=app;Search Path=one", "Host=db;Database=clinic;Username=app;Search Path=two")]
    [InlineData("Host=db;Database=clinic;Username=app", "Host=db;Database=clinic;Username=app;Options=-c search_path=two")]
    public void Other_PostgreSQL_databases_users_and_search_paths_are_others(string one, string other)
        => Assert.NotEqual(Postgres(one), Postgres(other));

    [Fact]
    public void Named_schema_is_one_whoever_looks_into_it()
    {
        Assert.Equal(Postgres("Host=db;Database=clinic;Username=app", _ => "one"), Postgres("Host=db;Database=clinic;Username=tenant", _ => "one"));
        Assert.NotEqual(Postgres("Host=db;Database=clinic;Username=app", _ => "one"), Postgres("Host=db;Database=clinic;Username=app", _ => "two"));
    }

    [Theory]
    [InlineData("Data Source=clinic.db", "Filename={0}/clinic.db;Foreign Keys=true")]
    [InlineData("Data Source=./x/../clinic.db", "DataSource=clinic.db")]
    [InlineData("Data Source=file:{0}/clinic.db?mode=rwc", "Data Source=clinic.db")]
    [InlineData("Data Source=file://{0}/cli%6Eic.db", "Data Source=clinic.db;Pooling=false")]
    [InlineData("Data Source=one;Mode=Memory;Cache=Shared", "DataSource=one;Cache=Shared;Mode=Memory;Pooling=false")]
    public void Spellings_of_one_SQLite_database_are_one(string one, string other)
        => Assert.Equal(Sqlite(one), Sqlite(other));

    [Theory]
    [InlineData("Data Source=clinic.db", "Data Source=other.db")]
    [InlineData("Data Source=:memory:", "Data Source=:memory:")]
    [InlineData("Data Source=one;Mode=Memory;Cache=Shared", "Data Source=two;Mode=Memory;Cache=Shared")]
    [InlineData("Data Source=one;Mode=Memory", "Data Source=one;Mode=Memory")]
    [InlineData("Data Source=file:clinic.db?mode=memory", "Data Source=clinic.db")]
    public void Other_SQLite_databases_are_others(string one, string other)
        => Assert.NotEqual(Sqlite(one), Sqlite(other));

    [Fact]
    public async Task Key_store_of_SQL_Server_has_a_pool_of_its_own_with_the_secrets_of_the_application()
    {
        await using var context = Context(o => o.UseSqlServer("Server=db;Database=clinic;User ID=app;Password=secret;Min Pool Size=5"));
        await using var given = Context(o => o.UseSqlServer(new SqlConnection("Server=db;Database=clinic;User ID=app;Password=secret")));
        foreach (var user in new[] { context, given })
        {
            await using var store = await EnvelopeSession.Of(user).ConnectStore().CreateAsync(synchronous: false, CancellationToken.None);
            var parts = new SqlConnectionStringBuilder(store.Database.GetDbConnection().ConnectionString);

            // EF Core gives a connection that has no name one of its own, which stays in front.
            Assert.EndsWith("EfEnvelope keys", parts.ApplicationName.TrimEnd(')'), StringComparison.Ordinal);
            Assert.Equal(("secret", 0), (parts.Password, parts.MinPoolSize));
        }
    }

    private KeyStoreIdentity SqlServer(string connectionString) => Identify(o => o.UseSqlServer(connectionString));

    private KeyStoreIdentity Postgres(string connectionString, Func<DbContext, string?>? schema = null)
        => Identify(o => o.UseNpgsql(connectionString), e => _ = schema is null ? e : e.ForSchema(schema));

    private KeyStoreIdentity Sqlite(string connectionString)
        => Identify(o => o.UseSqlite(string.Format(System.Globalization.CultureInfo.InvariantCulture, connectionString, Directory.GetCurrentDirectory())));

    private KeyStoreIdentity Identify(Action<DbContextOptionsBuilder> use, Action<EnvelopeOptionsBuilder>? envelope = null)
    {
        using var context = Context(use, envelope);
        return EnvelopeSession.Of(context).ConnectStore().Identity;
    }

    private NoteContext Context(Action<DbContextOptionsBuilder> use, Action<EnvelopeOptionsBuilder>? envelope = null)
    {
        var builder = new DbContextOptionsBuilder<NoteContext>();
        use(builder);
        builder.UseEnvelopeEncryption(
            e =>
            {
                e.UseKms(_kms);
                envelope?.Invoke(e);
            }).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        return new NoteContext(builder.Options);
    }

    private sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();
    }

    private sealed class Note
    {
        public int Id { get; set; }

        [Encrypted]
        public string Text { get; set; } = "";
    }
}
