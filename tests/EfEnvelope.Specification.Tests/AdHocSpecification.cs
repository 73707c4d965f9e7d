using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>The base of specifications whose tests describe a model each.</summary>
public abstract class AdHocSpecification(TestDatabase database) : EnvelopeSpecification(database, TestKms.Shared)
{
    private AdHocModel? _model;

    protected CommandRecorder Recorder { get; } = new();

    /// <summary>Describes the model and makes its tables.</summary>
    protected async Task CreateAsync(Action<ModelBuilder> build, Action<ModelConfigurationBuilder>? conventions = null)
    {
        _model = new AdHocModel(build, conventions);
        await using var db = Open();
        await db.Database.EnsureCreatedAsync();
    }

    /// <summary>Describes another model of the tables that are there.</summary>
    protected void Use(Action<ModelBuilder> build) => _model = new AdHocModel(build);

    /// <summary>Opens a new context over the model last described.</summary>
    protected AdHocContext Open() => Open(_model!);

    /// <summary>Opens a new context over a model, without making its tables.</summary>
    protected AdHocContext Open(AdHocModel model)
        => new(
            (DbContextOptions<AdHocContext>)new DbContextOptionsBuilder<AdHocContext>(Options<AdHocContext>())
                .ReplaceService<IModelCacheKeyFactory, AdHocContext.DescriptionCacheKeyFactory>()
                .AddInterceptors(Recorder)
                .Options,
            model);

    /// <summary>Saves entities in a context of their own.</summary>
    protected async Task SaveAsync(params object[] entities)
    {
        await using var db = Open();
        db.AddRange(entities);
        await db.SaveChangesAsync();
    }

    /// <summary>Reads the stored bytes of a column past EF Core, in the order of the rows' keys.</summary>
    protected async Task<List<byte[]?>> ReadStoredAsync(string table, string column, string orderBy = "Id")
        => [.. (await Database.QueryAsync(
            $"SELECT {Database.Quote(column)} FROM {Database.Quote(table)} ORDER BY {Database.Quote(orderBy)}")).Select(v => (byte[]?)v)];

    /// <summary>Asserts that every value of a column is an envelope that shows none of the given plaintexts.</summary>
    protected async Task AssertEncryptedAsync(string table, string column, params string[] plaintexts)
    {
        var stored = (await ReadStoredAsync(table, column, column)).OfType<byte[]>().ToList();
        Assert.NotEmpty(stored);
        foreach (var bytes in stored)
        {
            StoredBytes.AssertEnvelope(bytes);
            foreach (var plaintext in plaintexts)
                StoredBytes.AssertHides(bytes, plaintext);
        }
    }
}
