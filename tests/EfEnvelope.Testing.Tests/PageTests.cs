using System.Net.Http.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Respawn;
using Respawn.Graph;

namespace EfEnvelope.Testing;

/// <summary>The code of the page of the package, run as it stands there.</summary>
public sealed class PatientTests : IAsyncLifetime
{
    private readonly SqliteConnection _connection = new("Data Source=:memory:");

    public async ValueTask InitializeAsync()
    {
        await _connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var context = Open();
        await context.Database.EnsureCreatedAsync(TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    [Fact]
    public async Task Patient_is_found_by_email_and_stored_encrypted()
    {
        await using (var context = Open())
        {
            context.Add(new Patient { Email = "ada@example.org", Note = "secret" });
            await context.SaveChangesAsync(TestContext.Current.CancellationToken);
        }

        await using (var context = Open())
            Assert.Equal("secret", (await context.Patients.SingleAsync(p => p.Email == "ADA@example.org", TestContext.Current.CancellationToken)).Note);

        await using var command = new SqliteCommand("SELECT typeof(Note) FROM Patients", _connection);
        Assert.Equal("blob", await command.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    private ClinicContext Open() => new(new DbContextOptionsBuilder<ClinicContext>()
        .UseSqlite(_connection)
        .UseEnvelopeEncryption(envelope => envelope.UseTestKms())
        .Options);
}

/// <summary>An application that a test hosts: its own configuration, with another KMS and another database.</summary>
public sealed class ApplicationTests
{
    [Fact]
    public async Task Hosted_application_uses_the_kms_for_tests()
    {
        await using var factory = new ClinicFactory();
        var client = factory.CreateClient();

        (await client.PostAsJsonAsync("/patients", new Patient { Email = "ada@example.org", Note = "secret" }, TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();

        var found = await client.GetFromJsonAsync<Patient>("/patients/Ada@example.org", TestContext.Current.CancellationToken);
        Assert.Equal("secret", found!.Note);
    }

    [Fact]
    public async Task Hosted_application_keeps_its_database_and_gets_the_kms_for_tests()
    {
        var file = Path.Combine(Path.GetTempPath(), $"efenvelope-testing-{Guid.NewGuid():N}.db");
        await using (var factory = new SameDatabaseFactory(file))
        {
            var client = factory.CreateClient();

            (await client.PostAsJsonAsync("/patients", new Patient { Email = "ada@example.org" }, TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();

            Assert.NotNull(await client.GetFromJsonAsync<Patient>("/patients/ada@example.org", TestContext.Current.CancellationToken));
        }

        SqliteConnection.ClearAllPools();
        File.Delete(file);
    }

    private sealed class SameDatabaseFactory(string file) : WebApplicationFactory<ClinicApplication>
    {
        protected override void ConfigureWebHost(IWebHostBuilder builder)
        {
            builder.UseContentRoot(AppContext.BaseDirectory);
            builder.ConfigureTestServices(services => services.ConfigureDbContext<ClinicContext>(options =>
                options.UseEnvelopeEncryption(envelope => envelope.UseTestKms())));
        }

        protected override IHostBuilder CreateHostBuilder() => ClinicApplication.CreateHostBuilder(options => options.UseSqlite($"Data Source={file}"));

        protected override IHost CreateHost(IHostBuilder builder) => ClinicApplication.WithDatabase(base.CreateHost(builder));
    }

    private sealed class ClinicFactory : WebApplicationFactory<ClinicApplication>
    {
        private readonly SqliteConnection _connection = new("Data Source=:memory:");

        protected override void ConfigureWebHost(IWebHostBuilder builder)
        {
            _connection.Open();
            builder.UseContentRoot(AppContext.BaseDirectory);
            builder.ConfigureTestServices(services =>
            {
                // Another database: take the application's configuration of the context away, and give one of your own.
                services.RemoveAll<IDbContextOptionsConfiguration<ClinicContext>>();
                services.AddDbContext<ClinicContext>(options => options
                    .UseSqlite(_connection)
                    .UseEnvelopeEncryption(envelope => envelope.UseTestKms()));
            });
        }

        protected override IHost CreateHost(IHostBuilder builder) => ClinicApplication.WithDatabase(base.CreateHost(builder));

        // The application lies in the same assembly as its tests here; where it has an assembly of its own, 'Program' is found without this.
        protected override IHostBuilder CreateHostBuilder() => ClinicApplication.CreateHostBuilder(options => options.UseNpgsql("Host=production"));

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            _connection.Dispose();
        }
    }

    private sealed class ClinicApplication
    {
        private static readonly ProductionKms Kms = new();

        public static IHostBuilder CreateHostBuilder(Action<DbContextOptionsBuilder> provider) => Host.CreateDefaultBuilder().ConfigureWebHostDefaults(web => web
            .ConfigureServices(services => services.AddRouting().AddDbContext<ClinicContext>(options =>
            {
                provider(options);
                options.UseEnvelopeEncryption(envelope => envelope.UseKms(Kms));
            }))
            .Configure(application => application.UseRouting().UseEndpoints(endpoints =>
            {
                endpoints.MapPost("/patients", async (Patient patient, ClinicContext context) =>
                {
                    context.Add(patient);
                    await context.SaveChangesAsync();
                });
                endpoints.MapGet("/patients/{email}", (string email, ClinicContext context) => context.Patients.SingleAsync(p => p.Email == email));
            })));

        public static IHost WithDatabase(IHost host)
        {
            using var scope = host.Services.CreateScope();
            scope.ServiceProvider.GetRequiredService<ClinicContext>().Database.EnsureCreated();
            return host;
        }
    }
}

/// <summary>A database of a server that lives as long as all tests, with the rows of each taken away after it.</summary>
public sealed class RespawnTests : IAsyncLifetime
{
    private readonly string _name = $"efenvelope_testing_{Guid.NewGuid():N}";

    private static string Server
        => Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES") is { Length: > 0 } server
            ? server + ";Timeout=300;Command Timeout=600"
            : throw new InvalidOperationException("EFENVELOPE_POSTGRES names no server.");

    private string ConnectionString => new NpgsqlConnectionStringBuilder(Server) { Database = _name, Pooling = false }.ConnectionString;

    public async ValueTask InitializeAsync() => await OnServerAsync($"CREATE DATABASE {_name}");

    public async ValueTask DisposeAsync() => await OnServerAsync($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)");

    [Fact]
    public async Task Rows_are_reset_and_keys_stay()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using (var context = Open())
            await context.Database.EnsureCreatedAsync(cancellation);
        await using var connection = new NpgsqlConnection(ConnectionString);
        await connection.OpenAsync(cancellation);
        var ignored = await EnvelopeTestTables.FindAsync(connection, cancellation);
        var respawner = await Respawner.CreateAsync(connection, new RespawnerOptions
        {
            DbAdapter = DbAdapter.Postgres,
            TablesToIgnore = [.. ignored.Select(name => new Table(name)), new Table("__EFMigrationsHistory")],
        });

        for (var test = 0; test < 3; test++)
        {
            await using (var context = Open())
            {
                Assert.Empty(await context.Patients.ToListAsync(cancellation));
                context.Add(new Patient { Email = "ada@example.org", Note = $"test {test}" });
                await context.SaveChangesAsync(cancellation);
            }

            await using (var context = Open())
                Assert.Equal($"test {test}", (await context.Patients.SingleAsync(p => p.Email == "ada@example.org", cancellation)).Note);
            await respawner.ResetAsync(connection);
        }

        await using var command = new NpgsqlCommand("""SELECT count(*) FROM "__EnvelopeKeys" WHERE "Scope" = 'default'""", connection);
        Assert.Equal(1L, await command.ExecuteScalarAsync(cancellation));
    }

    [Fact]
    public async Task Tables_of_EfEnvelope_are_found_and_no_others()
    {
        await using (var context = Open())
            await context.Database.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await using var connection = new NpgsqlConnection(ConnectionString);

        var tables = await EnvelopeTestTables.FindAsync(connection, TestContext.Current.CancellationToken);

        Assert.Superset(new HashSet<string> { "__EnvelopeKeys", "__EnvelopeMap", "__EnvelopeUsage" }, tables.ToHashSet());
        Assert.All(tables, table => Assert.StartsWith("__Envelope", table));
    }

    private static async Task OnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(Server);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    private ClinicContext Open() => new(new DbContextOptionsBuilder<ClinicContext>()
        .UseNpgsql(ConnectionString)
        .UseEnvelopeEncryption(envelope => envelope.UseTestKms())
        .Options);
}
