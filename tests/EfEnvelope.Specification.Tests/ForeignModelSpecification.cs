using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.Extensions.Caching.Memory;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// Models and query services that come past the conventions: from elsewhere, out of a cache, or put in afterwards. The tables are such that plaintext
/// would fit in.
/// </summary>
public abstract class ForeignModelSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private readonly MemoryCache _cache = new(new MemoryCacheOptions());

    public override async ValueTask DisposeAsync()
    {
        _cache.Dispose();
        await base.DisposeAsync();
    }

    public static TheoryData<string> Commands => ["insert", "insert, transaction", "read", "ExecuteUpdate", "SQL"];

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Model_that_was_built_without_encryption_is_refused(string command)
    {
        var model = await CreatePlainAsync();

        await AssertRefusedAsync(() => new LetterContext(Builder().UseModel(model).Options), command, ModelFromElsewhere);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Model_that_a_context_without_encryption_left_in_a_shared_cache_is_refused(string command)
    {
        var model = await CreatePlainAsync();
        LetterContext Create() => new(Builder().UseMemoryCache(_cache).Options);
        await using (var context = Create())
            Assert.Same(model, context.Model);

        await AssertRefusedAsync(Create, command, ModelFromElsewhere);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Query_service_that_is_replaced_afterwards_is_refused(string command)
    {
        await CreatePlainAsync();

        await AssertRefusedAsync(
            () => new LetterContext(Builder().ReplaceService<IShapedQueryCompilingExpressionVisitorFactory, UnguardedFactory>().Options),
            command,
            $"'{typeof(UnguardedFactory).FullName}' replaces the query service that guards encrypted properties. Remove the library that brings it, or keep encrypted entities in a context without it.");
    }

    [Fact]
    public async Task Query_that_was_compiled_without_encryption_is_refused_with_its_model()
    {
        var model = await CreatePlainAsync();
        var find = EF.CompileAsyncQuery((LetterContext context, int id) => context.Letters.FirstOrDefault(l => l.Id == id));
        await using (var plain = new LetterContext(PlainBuilder().UseModel(model).Options))
            Assert.Null(await find(plain, 1));

        await using var context = new LetterContext(Builder().UseModel(model).Options);
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => find(context, 1));

        Assert.Equal(ModelFromElsewhere, e.Message);
    }

    [Fact]
    public async Task Context_without_encryption_cannot_use_the_encrypted_model_that_it_finds_in_a_shared_cache()
    {
        await using (var context = new LetterContext(Builder().UseMemoryCache(_cache).Options))
        {
            await context.Database.EnsureCreatedAsync();
            context.Add(new Letter { Text = "sealed letter" });
            await context.SaveChangesAsync();
        }

        await using (var plain = new LetterContext(PlainBuilder().UseMemoryCache(_cache).Options))
        {
            plain.Add(new Letter { Text = "open letter" });
            await Assert.ThrowsAnyAsync<Exception>(() => plain.SaveChangesAsync());
            plain.ChangeTracker.Clear();
            await Assert.ThrowsAnyAsync<Exception>(() => plain.Letters.ToListAsync());
            await Assert.ThrowsAnyAsync<Exception>(() => plain.Letters.ExecuteUpdateAsync(set => set.SetProperty(l => l.Text, "open letter")));
        }

        StoredBytes.AssertEnvelope((byte[])Assert.Single(await StoredAsync())!, "sealed letter".Length);
        await using var reader = new LetterContext(Builder().UseMemoryCache(_cache).Options);
        Assert.Equal("sealed letter", (await reader.Letters.SingleAsync()).Text);
    }

    private static string ModelFromElsewhere
        => "'Letter.Text' is marked as encrypted, but the model of this context was not built with envelope encryption, so it would be stored in clear text. Remove 'UseModel' or the shared memory cache, or build (compile) the model again with 'UseEnvelopeEncryption'.";

    // Asynchronously and synchronously: the first command fails with our message, and so does the second.
    private async Task AssertRefusedAsync(Func<LetterContext> create, string command, string message)
    {
        await using (var context = create())
        {
            for (var round = 0; round < 2; round++)
                Assert.Equal(message, await FindMessageAsync(() => RunAsync(context, command)));
        }

        using (var context = create())
        {
            for (var round = 0; round < 2; round++)
                Assert.Equal(message, await FindMessageAsync(() => Task.FromResult(Run(context, command))));
        }

        Assert.Empty(await StoredAsync());
        Assert.Equal(0, Kms.Wraps);
    }

    // SaveChanges wraps whatever a command throws.
    private static async Task<string?> FindMessageAsync(Func<Task> work)
    {
        var e = await Record.ExceptionAsync(work);
        return Assert.IsType<EnvelopeConfigurationException>(e is DbUpdateException ? e.InnerException : e).Message;
    }

    private async Task RunAsync(LetterContext context, string command)
    {
        switch (command)
        {
            case "insert":
                context.Add(new Letter { Text = "open letter" });
                await context.SaveChangesAsync();
                break;
            case "insert, transaction":
                await using (var transaction = await context.Database.BeginTransactionAsync())
                {
                    context.Add(new Letter { Text = "open letter" });
                    await context.SaveChangesAsync();
                    await transaction.CommitAsync();
                }

                break;
            case "read":
                await context.Letters.Select(l => l.Text).ToListAsync();
                break;
            case "ExecuteUpdate":
                await context.Letters.ExecuteUpdateAsync(set => set.SetProperty(l => l.Text, "open letter"));
                break;
            case "SQL":
                await context.Database.ExecuteSqlRawAsync(InsertSql);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(command));
        }
    }

    private int Run(LetterContext context, string command)
    {
        switch (command)
        {
            case "insert":
                context.Add(new Letter { Text = "open letter" });
                return context.SaveChanges();
            case "insert, transaction":
                using (var transaction = context.Database.BeginTransaction())
                {
                    context.Add(new Letter { Text = "open letter" });
                    var count = context.SaveChanges();
                    transaction.Commit();
                    return count;
                }

            case "read":
                return context.Letters.Select(l => l.Text).ToList().Count;
            case "ExecuteUpdate":
                return context.Letters.ExecuteUpdate(set => set.SetProperty(l => l.Text, "open letter"));
            case "SQL":
                return context.Database.ExecuteSqlRaw(InsertSql);
            default:
                throw new ArgumentOutOfRangeException(nameof(command));
        }
    }

    private string InsertSql => $"INSERT INTO {Database.Quote("Letters")} ({Database.Quote("Text")}) VALUES ('open letter')";

    private async Task<IModel> CreatePlainAsync()
    {
        await using var context = new LetterContext(PlainBuilder().UseMemoryCache(_cache).Options);
        await context.Database.EnsureCreatedAsync();
        return context.Model;
    }

    private Task<List<object?>> StoredAsync() => Database.QueryAsync($"SELECT {Database.Quote("Text")} FROM {Database.Quote("Letters")}");

    private DbContextOptionsBuilder<LetterContext> Builder() => new(Options<LetterContext>());

    private DbContextOptionsBuilder<LetterContext> PlainBuilder()
        => (DbContextOptionsBuilder<LetterContext>)Database.UseProvider(new DbContextOptionsBuilder<LetterContext>())
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    public sealed class LetterContext(DbContextOptions<LetterContext> options) : DbContext(options)
    {
        public DbSet<Letter> Letters => Set<Letter>();
    }

    public sealed class Letter
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }

    // What another library that changes queries brings.
    private sealed class UnguardedFactory(
        ShapedQueryCompilingExpressionVisitorDependencies dependencies,
        RelationalShapedQueryCompilingExpressionVisitorDependencies relationalDependencies)
        : IShapedQueryCompilingExpressionVisitorFactory
    {
        public ShapedQueryCompilingExpressionVisitor Create(QueryCompilationContext queryCompilationContext)
            => new RelationalShapedQueryCompilingExpressionVisitor(dependencies, relationalDependencies, queryCompilationContext);
    }
}
