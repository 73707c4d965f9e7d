using System.Diagnostics;
using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Time.Testing;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What operations staff see: activities and metrics in OpenTelemetry's own SDK, and health checks in the framework's own service.</summary>
public abstract class ObservabilitySpecification(TestDatabase database) : EnvelopeSpecification(database, new TestKms($"seen-{Guid.CreateVersion7():N}"))
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);

    [Fact]
    public async Task Work_is_seen_in_opentelemetry_and_shows_no_value()
    {
        var (activities, metrics) = (new List<Activity>(), new List<Metric>());
        using var tracing = Sdk.CreateTracerProviderBuilder().AddSource("EfEnvelope").AddInMemoryExporter(activities).Build();
        using var metering = Sdk.CreateMeterProviderBuilder().AddMeter("EfEnvelope").AddInMemoryExporter(metrics).Build();
        await CreateAsync();

        for (var i = 0; i < 3; i++)
        {
            await SaveAsync("secret text");
            await ReadAsync();
        }

        Kms.Failure = KmsErrorKind.AccessDenied;
        _time.Advance(TimeSpan.FromHours(1));
        await Assert.ThrowsAnyAsync<Exception>(() => SaveAsync("secret text"));
        tracing.ForceFlush();
        metering.ForceFlush();

        var mine = activities.Where(a => (string?)a.GetTagItem("efenvelope.kek") == Kms.Kek.ToString()).ToList();
        Assert.Contains(mine, a => a is { DisplayName: "kms wrap", Kind: ActivityKind.Client, Status: ActivityStatusCode.Unset });
        Assert.Contains(mine, a => a is { DisplayName: "kms unwrap", Status: ActivityStatusCode.Error } && (string?)a.GetTagItem("error.type") == "AccessDenied");
        Assert.Contains(activities, a => a.DisplayName == "keyring load" && (string?)a.GetTagItem("efenvelope.scope") == "default");
        Assert.DoesNotContain(activities.SelectMany(a => a.TagObjects), t => t.Value?.ToString()?.Contains("secret", StringComparison.Ordinal) == true);

        // Other tests of this process are counted, too.
        Assert.True(Sum(metrics, "efenvelope.values.encrypted") >= 3);
        Assert.True(Sum(metrics, "efenvelope.values.decrypted") >= 6);
        Assert.True(Sum(metrics, "efenvelope.keyring.uses", ("result", "hit")) >= 1);
        Assert.True(Sum(metrics, "efenvelope.keyring.uses", ("result", "refresh")) >= 1);
        Assert.True(Sum(metrics, "efenvelope.failures", ("kind", "unavailable")) >= 1);
        Assert.True(Count(metrics, "efenvelope.kms.duration", ("kms", "test"), ("operation", "wrap")) >= 1);
        Assert.True(Count(metrics, "efenvelope.kms.duration", ("kms", "test"), ("operation", "unwrap"), ("error", "AccessDenied")) >= 1);
        Assert.Contains(metrics, m => m.Name == "efenvelope.keyring.age");
        Assert.Contains(metrics, m => m.Name == "efenvelope.key.budget.used");
    }

    [Fact]
    public async Task Health_follows_the_kms_and_the_keys()
    {
        await CreateAsync();
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
        await SaveAsync("text");
        var healthy = await CheckAsync();
        Assert.Equal((HealthStatus.Healthy, "default:v1"), (healthy.Status, healthy.Data["primary"]));

        Kms.Failure = KmsErrorKind.Unavailable;
        _time.Advance(TimeSpan.FromHours(2));
        var degraded = await CheckAsync();
        Assert.Equal(HealthStatus.Degraded, degraded.Status);
        Assert.Contains("1320 more minutes", degraded.Description, StringComparison.Ordinal);
        Assert.Equal(22 * 3600L, degraded.Data["usable_seconds"]);
        await ReadAsync();

        _time.Advance(TimeSpan.FromHours(23));
        Assert.Equal(HealthStatus.Unhealthy, (await CheckAsync()).Status);

        Kms.Failure = null;
        _time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
    }

    [Fact]
    public async Task Refused_keys_are_reported_as_the_status_that_was_asked_for()
    {
        await CreateAsync();
        await SaveAsync("text");
        Kms.Failure = KmsErrorKind.Disabled;
        _time.Advance(TimeSpan.FromHours(1));

        var unhealthy = await CheckAsync(HealthStatus.Degraded);

        Assert.Equal(HealthStatus.Degraded, unhealthy.Status);
        Assert.Contains("efenvelope doctor", unhealthy.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Database_that_has_no_key_table_is_unhealthy() => Assert.Equal(HealthStatus.Unhealthy, (await CheckAsync()).Status);

    private static long Sum(IEnumerable<Metric> metrics, string name, params (string Key, string Value)[] tags)
        => Points(metrics, name, tags).Sum(p => p.GetSumLong());

    private static long Count(IEnumerable<Metric> metrics, string name, params (string Key, string Value)[] tags)
        => Points(metrics, name, tags).Sum(p => p.GetHistogramCount());

    private static List<MetricPoint> Points(IEnumerable<Metric> metrics, string name, (string Key, string Value)[] tags)
    {
        var found = new List<MetricPoint>();
        foreach (var metric in metrics.Where(m => m.Name == name))
        {
            foreach (ref readonly var point in metric.GetMetricPoints())
            {
                var own = new Dictionary<string, object?>();
                foreach (var tag in point.Tags)
                    own[tag.Key] = tag.Value;
                if (tags.All(t => own.TryGetValue(t.Key, out var value) && (string?)value == t.Value))
                    found.Add(point);
            }
        }

        return found;
    }

    private async Task<HealthReportEntry> CheckAsync(HealthStatus? failureStatus = null)
    {
        var services = new ServiceCollection().AddLogging();
        services.AddScoped(_ => Create());
        services.AddHealthChecks().AddEnvelopeEncryption<NoteContext>(failureStatus: failureStatus);
        await using var provider = services.BuildServiceProvider();
        return (await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries["envelope-encryption"];
    }

    private async Task CreateAsync()
    {
        await using var context = Create();
        await context.Database.EnsureCreatedAsync();
    }

    private async Task SaveAsync(string text)
    {
        await using var context = Create();
        context.Add(new Note { Text = text });
        await context.SaveChangesAsync();
    }

    private async Task ReadAsync()
    {
        await using var context = Create();
        Assert.NotEmpty((await context.Notes.ToListAsync()).Select(n => n.Text));
    }

    private NoteContext Create() => new(Options<NoteContext>(e => e.UseTimeProvider(_time)));

    public sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();
    }

    public sealed class Note
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }
}
