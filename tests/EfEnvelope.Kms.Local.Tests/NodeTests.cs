using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Local;

/// <summary>Several nodes on one store.</summary>
public abstract class NodeTests(TestStore store) : StoreTests(store)
{
    [Fact]
    public async Task Nodes_that_create_at_once_end_with_one_KMS_and_one_key()
    {
        var nodes = Enumerable.Range(0, 8).Select(_ => Store.Open()).ToArray();
        var key = TestKms.NewKey();

        var wrapped = await Task.WhenAll(nodes.Select(node => Task.Run(async () =>
        {
            await using var wrapper = new LocalKeyWrapper(node, TestStore.KeyName, create: true, ownsKms: false);
            return await wrapper.WrapAsync(key, TestKms.Context, Cancellation);
        })));

        Assert.Equal(1L, Convert.ToInt64(await Store.ExecuteAsync("SELECT count(*) FROM kms_meta")));
        Assert.Equal(1L, Convert.ToInt64(await Store.ExecuteAsync("SELECT count(*) FROM kms_seals")));
        Assert.Equal(1L, Convert.ToInt64(await Store.ExecuteAsync("SELECT count(*) FROM kms_key_versions")));
        foreach (var node in nodes)
        {
            foreach (var copy in wrapped)
                Assert.Equal(key, await node.UnwrapAsync(copy, TestKms.Context, Cancellation));
            node.Dispose();
        }
    }

    [Fact]
    public async Task Rotations_of_two_nodes_at_once_all_count_and_nothing_is_lost()
    {
        using var first = await Store.CreateAsync();
        using var second = Store.Open();
        var key = TestKms.NewKey();

        var wrapped = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () =>
        {
            var node = i % 2 == 0 ? first : second;
            await node.RotateKeyAsync(TestStore.KeyName, Cancellation);
            return await node.WrapAsync(TestStore.KeyName, key, TestKms.Context, Cancellation);
        })));

        var described = await first.DescribeKeyAsync(TestStore.KeyName, Cancellation);
        Assert.Equal((17, 17), (described.PrimaryVersion, described.Versions.Count));
        foreach (var copy in wrapped)
            Assert.Equal(key, await second.UnwrapAsync(copy, TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task Keys_and_aliases_that_two_nodes_make_at_once_are_made_once()
    {
        using var first = await Store.CreateAsync();
        using var second = Store.Open();

        var made = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(async () =>
        {
            var node = i % 2 == 0 ? first : second;
            var key = await node.CreateKeyAsync($"key-{i / 4}", Cancellation);
            await node.SetAliasAsync("alias/one", key.Name, Cancellation);
            await node.TagKeyAsync(key.Name, "same", $"{i}", Cancellation);
            return key;
        })));

        Assert.Equal(5, made.Select(k => k.KeyId).Distinct().Count());
        var keys = await first.ListKeysAsync(Cancellation);
        Assert.Equal(6, keys.Count);
        Assert.Single(keys, k => k.Aliases.Count == 1);
    }
}

public sealed class SqliteNodeTests() : NodeTests(new SqliteTestStore());

public sealed class PostgresNodeTests() : NodeTests(new PostgresTestStore())
{
    [Fact]
    public async Task Tables_lie_beside_those_of_others()
    {
        using var kms = await Store.CreateAsync();

        Assert.Equal(2L, await Store.ExecuteAsync(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name IN ('patients', 'kms_notes')"));
    }

    [Fact]
    public async Task Options_that_are_built_anew_name_the_same_KMS()
    {
        Assert.Equal(Identity(Store.Address), Identity(Store.Address));
        Assert.Equal(Identity(Store.Address).GetHashCode(), Identity(Store.Address).GetHashCode());
        Assert.NotEqual(Identity(Store.Address), Identity(Store.Address + ";Timeout=9"));

        var key = TestKms.NewKey();
        await using var wrapper = (LocalKeyWrapper)Identity(Store.Address).CreateWrapper(new KmsServices(TimeProvider.System, NullLoggerFactory.Instance));
        var wrapped = await wrapper.WrapAsync(key, TestKms.Context, Cancellation);
        Assert.Equal(key, await wrapper.UnwrapAsync(wrapped, TestKms.Context, Cancellation));

        static LocalKmsIdentity Identity(string address)
            => new(new Storage.ServerPlace(store => store.UseNpgsql(address)), TestKms.QuickSeal("same"), "clinic");
    }

    [Fact]
    public async Task Provider_that_retries_by_itself_serves_too()
    {
        using var kms = new LocalKms(store => store.UseNpgsql(Store.Address, npgsql => npgsql.EnableRetryOnFailure()), TestKms.QuickSeal());
        await kms.CreateAsync(Cancellation);
        await kms.CreateKeyAsync("clinic", Cancellation);
        await kms.RotateKeyAsync("clinic", Cancellation);
        Assert.Equal("2", (await kms.WrapAsync("clinic", TestKms.NewKey(), TestKms.Context, Cancellation)).KekVersion);
    }

    [Fact]
    public async Task Server_that_is_not_there_is_unavailable_and_a_database_that_is_not_there_is_not_found()
    {
        using var nobody = new LocalKms(store => store.UseNpgsql("Host=127.0.0.1;Port=1;Password=hunter2"), TestKms.QuickSeal());
        using var nowhere = new LocalKms(store => store.UseNpgsql(Store.Address + ";Database=no_such_database"), TestKms.QuickSeal());

        var exception = await TestKms.ThrowsAsync(KmsErrorKind.Unavailable, () => nobody.OpenAsync(Cancellation));
        Assert.DoesNotContain("hunter2", exception.ToString());
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => nowhere.OpenAsync(Cancellation));
    }

    [Fact]
    public void Other_provider_is_refused_at_once()
    {
        Assert.Throws<ArgumentException>(() => new LocalKms(store => store.UseSqlite("Data Source=kms.db"), TestKms.QuickSeal()));
        Assert.Throws<ArgumentException>(() => new LocalKms(_ => { }, TestKms.QuickSeal()));
    }
}
