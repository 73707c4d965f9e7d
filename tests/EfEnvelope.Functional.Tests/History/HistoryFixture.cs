using System.Globalization;
using System.Security.Cryptography;
using Xunit;

namespace EfEnvelope.Functional.History;

/// <summary>Keeps all histories from running beside anything else: they keep every core busy, and what kills and waits should not wait for others.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class HistoryCollection
{
    public const string Name = "History";
}

/// <summary>A server and the processes that the runs of one class share.</summary>
public abstract class HistoryFixture : IAsyncLifetime
{
    private static readonly int? Chosen =
        Environment.GetEnvironmentVariable("EFENVELOPE_HISTORY_SEED") is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    private HistoryServer? _server;

    public HistoryServer Server => _server!;

    public HistoryCrew Crew { get; } = new();

    /// <summary>Makes the seed of a run: another one each time, unless the environment variable EFENVELOPE_HISTORY_SEED names one.</summary>
    public static int NewSeed() => Chosen ?? RandomNumberGenerator.GetInt32(1_000_000);

    public async ValueTask InitializeAsync() => _server = await StartAsync();

    public async ValueTask DisposeAsync()
    {
        await Crew.DisposeAsync();
        if (_server is not null)
            await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected abstract ValueTask<HistoryServer> StartAsync();
}

public sealed class PostgresHistoryFixture : HistoryFixture
{
    protected override async ValueTask<HistoryServer> StartAsync() => await PostgresHistoryServer.StartAsync();
}

public sealed class SqliteHistoryFixture : HistoryFixture
{
    protected override ValueTask<HistoryServer> StartAsync() => new(new SqliteHistoryServer());
}
