using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>A host loads the keys of a context before it serves its first request.</summary>
public sealed class WarmUpTests : IAsyncLifetime
{
    private readonly SqliteConnection _connection = new("Data Source=:memory:");
    private readonly TestKms _kms = new();

    public async ValueTask InitializeAsync()
    {
        await _connection.OpenAsync();
        await using var services = Build(s => s.AddDbContext<NoteContext>(Configure));
        await using var scope = services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<NoteContext>().Database.EnsureCreatedAsync();
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    [Theory]
    [InlineData("AddDbContext")]
    [InlineData("AddDbContextPool")]
    [InlineData("AddPooledDbContextFactory")]
    public async Task Keys_are_loaded_when_the_host_has_started(string registration)
    {
        await using var services = Build(
            s => _ = registration switch
            {
                "AddDbContext" => s.AddDbContext<NoteContext>(Configure),
                "AddDbContextPool" => s.AddDbContextPool<NoteContext>(Configure),
                _ => s.AddPooledDbContextFactory<NoteContext>(Configure),
            });
        await StartAsync(services);
        Assert.Equal(1, _kms.Wraps);

        _kms.Failure = KmsErrorKind.Unavailable;
        await SaveAsync(services);
    }

    [Fact]
    public async Task Outage_lets_the_host_start_and_the_first_request_tries_again()
    {
        _kms.Failure = KmsErrorKind.Unavailable;
        await using var services = Build(s => s.AddDbContext<NoteContext>(Configure));
        await StartAsync(services);

        _kms.Failure = null;
        await SaveAsync(services);
    }

    [Fact]
    public async Task Fault_of_the_configuration_keeps_the_host_from_starting()
    {
        await using var services = Build(
            s => s.AddDbContext<NoteContext>(
                o => Configure(o, e => e.Configure(options => options with { RefreshInterval = TimeSpan.Zero }))));

        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => StartAsync(services));
    }

    [Fact]
    public async Task Context_that_is_not_registered_or_does_not_encrypt_is_named()
    {
        await using var none = Build(_ => { });
        var missing = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => StartAsync(none));
        Assert.StartsWith("The context 'NoteContext' is not registered", missing.Message, StringComparison.Ordinal);

        await using var plain = Build(s => s.AddDbContext<NoteContext>(o => o.UseSqlite(_connection)));
        var clear = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => StartAsync(plain));
        Assert.StartsWith("The context 'NoteContext' does not use envelope encryption", clear.Message, StringComparison.Ordinal);
    }

    private static ServiceProvider Build(Action<IServiceCollection> register)
    {
        var services = new ServiceCollection();
        register(services);
        return services.AddEnvelopeWarmUp<NoteContext>().BuildServiceProvider(validateScopes: true);
    }

    private static async Task StartAsync(IServiceProvider services)
    {
        foreach (var service in services.GetServices<IHostedService>())
            await service.StartAsync(CancellationToken.None);
    }

    private static async Task SaveAsync(IServiceProvider services)
    {
        await using var scope = services.CreateAsyncScope();
        await using var context = scope.ServiceProvider.GetService<IDbContextFactory<NoteContext>>()?.CreateDbContext()
            ?? scope.ServiceProvider.GetRequiredService<NoteContext>();
        context.Add(new Note { Text = "secret" });
        Assert.Equal(1, await context.SaveChangesAsync());
    }

    private void Configure(DbContextOptionsBuilder options) => Configure(options, _ => { });

    private void Configure(DbContextOptionsBuilder options, Action<EnvelopeOptionsBuilder> configure)
        => options.UseSqlite(_connection)
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
            .UseEnvelopeEncryption(e => configure(e.UseKms(_kms).Configure(o => o with { NegativeCacheTime = TimeSpan.Zero })));

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
