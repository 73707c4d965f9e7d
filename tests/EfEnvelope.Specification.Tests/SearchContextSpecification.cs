using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Search in contexts that are set up otherwise: other translations of lists and nulls, tenants in one pool, a KMS that does not answer.</summary>
public abstract class SearchContextSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var db = new RegistryContext(Options<RegistryContext>());
        await db.Database.EnsureCreatedAsync();
    }

    [Theory]
    [InlineData(ParameterTranslationMode.Constant)]
    [InlineData(ParameterTranslationMode.Parameter)]
    [InlineData(ParameterTranslationMode.MultipleParameters)]
    public async Task Lists_are_looked_up_right_however_a_context_translates_them(ParameterTranslationMode mode)
    {
        await SeedAsync(rotate: true);
        await using var db = Open(relational => relational.WithUseParameterizedCollectionMode(mode));
        var (records, codes, phones) = (new List<string> { "r-1", "r-4" }, new[] { "c-4", null }, new HashSet<string> { "t-1", "t-5" });

        Assert.Equal([1, 4], await IdsAsync(db.People.Where(p => records.Contains(p.Record))));
        Assert.Equal([3, 4], await IdsAsync(db.People.Where(p => codes.Contains(p.Code))));
        Assert.Equal([1, 2, 5, 6], await IdsAsync(db.People.Where(p => !codes.Contains(p.Code))));
        Assert.Equal([1, 5], await IdsAsync(db.People.Where(p => phones.Contains(p.Phone))));
        Assert.Equal([1, 4], await IdsAsync(db.People.Where(p => records.Any(r => r == p.Record))));
    }

    [Fact]
    public async Task Null_behaves_as_in_the_database_where_a_context_asks_for_that()
    {
        await SeedAsync(rotate: true);
        await using var db = Open(relational => relational.WithUseRelationalNulls(true));
        var (code, email) = ("c-1", "ada@example.org");

        Assert.Equal([1, 2], await IdsAsync(db.People.Where(p => p.Code == code)));
        Assert.Equal([4, 5, 6], await IdsAsync(db.People.Where(p => p.Code != code)));
        Assert.Equal([2, 4, 5, 6], await IdsAsync(db.People.Where(p => p.Email != email)));
        Assert.Equal([3], await IdsAsync(db.People.Where(p => p.Code == null)));
    }

    [Fact]
    public async Task Tenants_of_one_pool_share_a_cached_query_and_find_their_own_rows_only()
    {
        // A scope for each tenant: what one has written, the other cannot find, though the values are equal.
        foreach (var (tenant, id) in new[] { ("a", 1), ("b", 2) })
        {
            await using var db = Of(tenant);
            db.Add(new Memo { Id = id, Owner = "o-1", Topic = "news", Text = tenant });
            await db.SaveChangesAsync();
        }

        for (var i = 0; i < 3; i++)
        {
            foreach (var (tenant, id) in new[] { ("a", 1), ("b", 2) })
            {
                await using var db = Of(tenant);
                var topic = "news";
                var memo = await db.Memos.SingleAsync(m => m.Topic == topic);
                Assert.Equal((id, tenant), (memo.Id, memo.Text));
            }
        }

        RegistryContext Of(string tenant) => new(Options<RegistryContext>(e => e.UseScope(tenant)));
    }

    [Fact]
    public async Task Pooled_context_finds_with_the_keys_of_its_own_lease()
    {
        await SeedAsync(rotate: false);
        await using var services = new ServiceCollection()
            .AddDbContextPool<RegistryContext>(
                o => Database.UseProvider(o).UseEnvelopeEncryption(e => e.UseKms(Kms)).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)), poolSize: 1)
            .BuildServiceProvider();
        for (var i = 0; i < 3; i++)
        {
            await using (var scope = services.CreateAsyncScope())
                Assert.Equal([1], await IdsAsync(scope.ServiceProvider.GetRequiredService<RegistryContext>().People.Where(p => p.Phone == "t-1" && p.Record == "r-1")));

            // The rotation happens in another context; the pooled one must look under the new version as well.
            if (i == 1)
            {
                await using var scope = services.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<RegistryContext>();
                await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
                db.Update(await db.People.SingleAsync(p => p.Id == 1));
                await db.SaveChangesAsync();
            }
        }
    }

    [Fact]
    public async Task Search_fails_instead_of_finding_nothing_while_its_keys_cannot_be_had()
    {
        await SeedAsync(rotate: false);

        // A host of its own: it has never loaded a key.
        var failing = new FailingKms(Kms);
        await using var db = new RegistryContext(
            ((DbContextOptionsBuilder<RegistryContext>)Database.UseProvider(new DbContextOptionsBuilder<RegistryContext>()))
                .UseEnvelopeEncryption(e => e.UseKms(failing))
                .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
                .Options);

        await Assert.ThrowsAsync<KeyUnavailableException>(() => db.People.AnyAsync(p => p.Record == "r-1"));
        Assert.Throws<KeyUnavailableException>(() => db.People.Any(p => p.Phone == "t-1"));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => db.People.CountAsync(p => p.Record != "r-1"));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => db.People.Where(p => p.Record == "r-1").ExecuteDeleteAsync());
    }

    [Fact]
    public async Task Search_that_is_cancelled_ends_as_cancelled_and_the_next_one_works()
    {
        await SeedAsync(rotate: false);
        await using var db = new RegistryContext(Options<RegistryContext>());
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => db.People.Where(p => p.Record == "r-1").ToListAsync(cancelled.Token));
        Assert.Equal([1], await IdsAsync(db.People.Where(p => p.Record == "r-1")));
    }

    private async Task SeedAsync(bool rotate)
    {
        await using var db = new RegistryContext(Options<RegistryContext>());
        db.Seed();
        if (!rotate)
            return;
        await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        db.UpdateRange(await db.People.Where(p => p.Id > 3).ToListAsync());
        await db.SaveChangesAsync();
    }

    private static Task<List<int>> IdsAsync(IQueryable<Person> people) => people.OrderBy(p => p.Id).Select(p => p.Id).ToListAsync();

    private RegistryContext Open(Func<RelationalOptionsExtension, RelationalOptionsExtension> change)
    {
        var builder = new DbContextOptionsBuilder<RegistryContext>(Options<RegistryContext>());
        ((IDbContextOptionsBuilderInfrastructure)builder).AddOrUpdateExtension(change(RelationalOptionsExtension.Extract(builder.Options)));
        return new RegistryContext(builder.Options);
    }

    private sealed class FailingKms(TestKms kms) : EfEnvelope.Kms.IKeyWrapper
    {
        public EfEnvelope.Kms.KekUri Kek => kms.Kek;

        public ValueTask<EfEnvelope.Kms.WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EfEnvelope.Kms.EncryptionContext context, CancellationToken cancellationToken = default)
            => throw new EfEnvelope.Kms.KmsException(EfEnvelope.Kms.KmsErrorKind.Unavailable, "The test KMS is down.");

        public ValueTask<byte[]> UnwrapAsync(EfEnvelope.Kms.WrappedKeyCopy wrapped, EfEnvelope.Kms.EncryptionContext context, CancellationToken cancellationToken = default)
            => throw new EfEnvelope.Kms.KmsException(EfEnvelope.Kms.KmsErrorKind.Unavailable, "The test KMS is down.");
    }
}
