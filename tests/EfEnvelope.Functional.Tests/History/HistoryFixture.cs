using System.Globalization;
using System.Security.Cryptography;
using Xunit;

namespace EfEnvelope.Functional.History;

/// <summary>
/// Keeps all histories from running beside anything else: they keep every core busy, and what kills and waits should not wait for others. All share their
/// processes.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class HistoryCollection : ICollectionFixture<HistoryCrew>
{
    public const string Name = "History";
}

/// <summary>The server that the runs of one class share; started by the first that needs it.</summary>
public abstract class HistoryFixture(HistoryCrew crew) : IAsyncDisposable
{
    private static readonly int? Chosen =
        Environment.GetEnvironmentVariable("EFENVELOPE_HISTORY_SEED") is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    private HistoryServer? _server;

    public HistoryCrew Crew => crew;

    /// <summary>Makes the seed of a run: another one each time, unless the environment variable EFENVELOPE_HISTORY_SEED names one.</summary>
    public static int NewSeed() => Chosen ?? RandomNumberGenerator.GetInt32(1_000_000);

    /// <summary>Gets the server, or skips the test with a plain reason where there is none.</summary>
    public async Task<HistoryServer> GetServerAsync() => _server ??= await StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected abstract Task<HistoryServer> StartAsync();
}

public sealed class PostgresHistoryFixture(HistoryCrew crew) : HistoryFixture(crew)
{
    protected override async Task<HistoryServer> StartAsync() => await PostgresHistoryServer.StartAsync();
}

public sealed class SqliteHistoryFixture(HistoryCrew crew) : HistoryFixture(crew)
{
    protected override Task<HistoryServer> StartAsync() => Task.FromResult<HistoryServer>(new SqliteHistoryServer());
}
