using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Specification;

/// <summary>Under how many key versions what is compared is stored.</summary>
public enum SearchState
{
    /// <summary>All under one version, as in steady state.</summary>
    OneVersion,

    /// <summary>A second version is live, and all rows are still under the first.</summary>
    TwoVersions,

    /// <summary>Two versions are live, and some rows were written under each.</summary>
    MixedRows,
}

/// <summary>A filled registry for each state, made once for all forms, which leave it as it was.</summary>
public abstract class SearchFixture : IAsyncDisposable
{
    private readonly Dictionary<SearchState, TestDatabase> _databases = [];

    /// <summary>Gets the states that the provider has a database for.</summary>
    public virtual IReadOnlyList<SearchState> States { get; } = Enum.GetValues<SearchState>();

    public abstract TestDatabase CreateDatabase();

    /// <summary>Makes the databases, or skips the test with a plain reason where the server is missing.</summary>
    public async ValueTask EnsureCreatedAsync()
    {
        foreach (var state in States.Where(s => !_databases.ContainsKey(s)))
        {
            var database = CreateDatabase();
            await database.CreateAsync();
            _databases.Add(state, database);
            if (database.Exists)
                await FillAsync(state);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var database in _databases.Values)
            await database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    public RegistryContext Open(SearchState state, Action<DbContextOptionsBuilder<RegistryContext>>? configure = null)
    {
        var builder = (DbContextOptionsBuilder<RegistryContext>)_databases[state].UseProvider(new DbContextOptionsBuilder<RegistryContext>());
        builder.UseEnvelopeEncryption(e => e.UseKms(TestKms.Shared))
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        configure?.Invoke(builder);
        return new RegistryContext(builder.Options);
    }

    private async Task FillAsync(SearchState state)
    {
        await using var db = Open(state);
        await db.Database.EnsureCreatedAsync();
        db.Seed();
        if (state == SearchState.OneVersion)
            return;
        await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        if (state == SearchState.MixedRows)
            await RewriteAsync(db);
    }

    // Every other row, written anew as a job or an application would.
    private static async Task RewriteAsync(RegistryContext db)
    {
        foreach (var entity in (IEnumerable<object>)
                 [
                     .. await db.People.Include(p => p.Orders).Where(p => p.Id % 2 == 0).ToListAsync(), .. await db.Teams.Where(t => t.Id == 2).ToListAsync(),
                     .. await db.Memos.IgnoreQueryFilters().Where(m => m.Id == 3).ToListAsync(), .. await db.Workers.Where(w => w.Id == 2).ToListAsync(),
                 ])
            db.Update(entity);
        await db.SaveChangesAsync();
    }
}
