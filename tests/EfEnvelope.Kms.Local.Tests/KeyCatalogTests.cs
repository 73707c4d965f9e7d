using Npgsql;

namespace EfEnvelope.Kms.Local;

public abstract class KeyCatalogTests(TestStore store) : StoreTests(store)
{
    [Fact]
    public async Task Alias_stands_wherever_a_name_does()
    {
        using var kms = await Store.CreateAsync();
        await kms.SetAliasAsync("alias/records", TestStore.KeyName, Cancellation);
        var key = TestKms.NewKey();

        var wrapper = kms.GetKeyWrapper("alias/records");
        var wrapped = await wrapper.WrapAsync(key, TestKms.Context, Cancellation);
        await kms.RotateKeyAsync("alias/records", Cancellation);

        Assert.Equal(wrapper.Kek, wrapped.Kek);
        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        var described = await kms.DescribeKeyAsync("alias/records", Cancellation);
        Assert.Equal((TestStore.KeyName, 2), (described.Name, described.PrimaryVersion));
        Assert.Equal(["alias/records"], described.Aliases);
    }

    [Fact]
    public async Task Moved_alias_wraps_under_its_new_key_and_still_opens_what_the_former_one_wrapped()
    {
        using var kms = await Store.CreateAsync();
        var second = await kms.CreateKeyAsync("second", Cancellation);
        await kms.SetAliasAsync("alias/a", TestStore.KeyName, Cancellation);
        var key = TestKms.NewKey();
        var before = await kms.WrapAsync("alias/a", key, TestKms.Context, Cancellation);
        var value = await kms.EncryptAsync("alias/a", key, TestKms.Context, Cancellation);

        await kms.SetAliasAsync("alias/a", "second", Cancellation);
        var after = await kms.WrapAsync("alias/a", key, TestKms.Context, Cancellation);

        Assert.Equal(second.KeyId, Convert.ToHexStringLower(after.Ciphertext.Span.Slice(1, 16)));
        Assert.Equal(key, await kms.UnwrapAsync(before, TestKms.Context, Cancellation));
        Assert.Equal(key, await kms.UnwrapAsync(after, TestKms.Context, Cancellation));
        Assert.Equal(key, await kms.DecryptAsync("alias/a", value, TestKms.Context, Cancellation));
        Assert.Empty((await kms.DescribeKeyAsync(TestStore.KeyName, Cancellation)).Aliases);

        Assert.True(await kms.RemoveAliasAsync("alias/a", Cancellation));
        Assert.False(await kms.RemoveAliasAsync("alias/a", Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.WrapAsync("alias/a", key, TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task Key_is_not_named_like_an_alias_nor_an_alias_like_a_key()
    {
        using var kms = await Store.CreateAsync();

        await Assert.ThrowsAsync<ArgumentException>(() => kms.CreateKeyAsync("alias/x", Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => kms.SetAliasAsync("x", TestStore.KeyName, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => kms.SetAliasAsync("alias/", TestStore.KeyName, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.SetAliasAsync("alias/x", "absent", Cancellation));
    }

    [Fact]
    public async Task Tags_and_description_are_kept()
    {
        using var kms = await Store.CreateAsync();
        var made = await kms.CreateKeyAsync(
            "tagged",
            new LocalKmsKeyOptions { Description = "records of ward 3", Tags = new Dictionary<string, string> { ["team"] = "a", ["env"] = "test" } },
            Cancellation);
        Assert.Equal("records of ward 3", made.Description);

        await kms.TagKeyAsync("tagged", "team", "b", Cancellation);
        await kms.UntagKeyAsync("tagged", "env", Cancellation);
        await kms.UntagKeyAsync("tagged", "never", Cancellation);
        await kms.TagKeyAsync("tagged", "cost", "", Cancellation);
        await kms.SetKeyDescriptionAsync("tagged", "", Cancellation);

        var key = await kms.DescribeKeyAsync("tagged", Cancellation);
        Assert.Equal("", key.Description);
        Assert.Equal([new("cost", ""), new("team", "b")], key.Tags.OrderBy(t => t.Key, StringComparer.Ordinal));
    }

    [Fact]
    public async Task Pages_hold_every_key_once_in_the_order_of_their_names()
    {
        using var kms = await Store.CreateAsync();
        string[] names = ["Zeta", "alpha", "b/1", "b-1", "b.1", "b_1", "B1", "b10", "b2"];
        foreach (var name in names)
            await kms.CreateKeyAsync(name, Cancellation);
        var expected = names.Append(TestStore.KeyName).Order(StringComparer.Ordinal);

        foreach (var limit in new[] { 1, 3, 10, 1000 })
        {
            var read = new List<string>();
            string? token = null;
            do
            {
                var page = await kms.ListKeysAsync(limit, token, Cancellation);
                Assert.InRange(page.Keys.Count, 0, limit);
                read.AddRange(page.Keys.Select(k => k.Name));
                token = page.ContinuationToken;
            }
            while (token is not null);
            Assert.Equal(expected, read);
        }

        Assert.Equal(expected, (await kms.ListKeysAsync(Cancellation)).Select(k => k.Name));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.ListKeysAsync(5, "no token", Cancellation));
    }

    [Fact]
    public async Task Names_differ_by_case()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("CLINIC", Cancellation);
        var wrapped = await kms.WrapAsync("CLINIC", TestKms.NewKey(), TestKms.Context, Cancellation);

        await TestKms.ThrowsAsync(
            KmsErrorKind.WrongKey, () => kms.UnwrapAsync(wrapped with { Kek = new KekUri("local:clinic") }, TestKms.Context, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.DescribeKeyAsync("Clinic", Cancellation));
    }

    [Fact]
    public async Task Store_is_named_without_credentials()
    {
        using var kms = await Store.CreateAsync();

        Assert.Equal(Store is SqliteTestStore ? Store.Address : null, kms.FilePath);
        Assert.DoesNotContain("postgres;", kms.StoreName);
        Assert.DoesNotContain("Username", kms.ToString());
        Assert.Equal(Store is SqliteTestStore ? Store.Address : ServerAddress(), kms.StoreName);

        static string ServerAddress()
        {
            var server = new NpgsqlConnectionStringBuilder(Access.PostgresTamperStore.Server);
            return $"tcp://{server.Host}:{server.Port}/{server.Database}";
        }
    }
}

public sealed class SqliteKeyCatalogTests() : KeyCatalogTests(new SqliteTestStore());

public sealed class PostgresKeyCatalogTests() : KeyCatalogTests(new PostgresTestStore());
