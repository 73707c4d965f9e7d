namespace EfEnvelope.Kms.Local;

/// <summary>What somebody who writes the store, without its seal, is found out at.</summary>
public abstract class AlteredRowTests(TestStore store) : StoreTests(store)
{
    [Theory]
    [InlineData("UPDATE kms_keys SET state = 'enabled' WHERE name = 'off'")]
    [InlineData("UPDATE kms_keys SET primary_version = 1 WHERE name = 'off'")]
    [InlineData("UPDATE kms_keys SET revision = 1 WHERE name = 'off'")]
    [InlineData("UPDATE kms_keys SET origin = 'imported' WHERE name = 'off'")]
    [InlineData("UPDATE kms_keys SET algorithm = 'hmac-sha256' WHERE name = 'off'")]
    [InlineData("UPDATE kms_keys SET rotation_period = 1 WHERE name = 'off'")]
    [InlineData("UPDATE kms_keys SET deletion_at = '2030-01-01 00:00:00+00:00' WHERE name = 'off'")]
    [InlineData("UPDATE kms_keys SET next_rotation = '2030-01-01 00:00:00+00:00' WHERE name = 'off'")]
    [InlineData("UPDATE kms_keys SET mac = (SELECT mac FROM kms_keys WHERE name = 'clinic') WHERE name = 'off'")]
    public async Task Altered_key_is_refused(string sql)
    {
        using var kms = await MakeAsync();

        await Store.ExecuteAsync(sql);

        await RefusedAsync(() => kms.DescribeKeyAsync("off", Cancellation));
        await RefusedAsync(() => kms.EnableKeyAsync("off", Cancellation));
        await RefusedAsync(() => kms.ListKeysAsync(Cancellation));
        await kms.DescribeKeyAsync(TestStore.KeyName, Cancellation);
    }

    [Fact]
    public async Task Key_row_that_takes_the_place_of_another_is_refused()
    {
        using var kms = await MakeAsync();

        await Store.ExecuteAsync("UPDATE kms_keys SET name = 'was' WHERE name = 'clinic'");
        await Store.ExecuteAsync("UPDATE kms_keys SET name = 'clinic' WHERE name = 'off'");

        await RefusedAsync(() => kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task Version_that_is_enabled_in_the_store_is_refused()
    {
        using var kms = await Store.CreateAsync();
        var wrapped = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        await kms.RotateKeyAsync(TestStore.KeyName, Cancellation);
        await kms.DisableKeyVersionAsync(TestStore.KeyName, 1, Cancellation);

        await Store.ExecuteAsync("UPDATE kms_key_versions SET state = 'enabled' WHERE version = 1");

        await RefusedAsync(() => kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task Public_key_that_is_exchanged_in_the_store_verifies_nothing()
    {
        using var kms = await Store.CreateAsync();
        foreach (var name in new[] { "mine", "theirs" })
            await kms.CreateKeyAsync(name, new LocalKmsKeyOptions { Algorithm = LocalKmsKeyAlgorithm.EcdsaP256 }, Cancellation);
        var forged = await kms.SignAsync("theirs", new byte[1], Cancellation) with { Key = "mine" };
        Assert.False(await kms.VerifyAsync(new byte[1], forged, Cancellation));

        await Store.ExecuteAsync(
            "UPDATE kms_key_versions SET public_key = (SELECT v.public_key FROM kms_key_versions v JOIN kms_keys k ON k.key_id = v.key_id "
            + "WHERE k.name = 'theirs') WHERE key_id = (SELECT key_id FROM kms_keys WHERE name = 'mine')");

        await RefusedAsync(() => kms.VerifyAsync(new byte[1], forged, Cancellation));
        await RefusedAsync(() => kms.GetPublicKeyAsync("mine", null, Cancellation));
    }

    [Fact]
    public async Task Alias_that_is_pointed_elsewhere_in_the_store_is_refused()
    {
        using var kms = await MakeAsync();
        await kms.SetAliasAsync("alias/a", TestStore.KeyName, Cancellation);

        await Store.ExecuteAsync("UPDATE kms_aliases SET key_id = (SELECT key_id FROM kms_keys WHERE name = 'off')");

        await RefusedAsync(() => kms.WrapAsync("alias/a", TestKms.NewKey(), TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task Key_check_that_is_altered_is_refused()
    {
        using var kms = await MakeAsync();

        await Store.ExecuteAsync("UPDATE kms_meta SET key_check = (SELECT mac FROM kms_keys WHERE name = 'off')");

        await RefusedAsync(() => kms.ListKeysAsync(Cancellation));
        using var fresh = Store.Open();
        await RefusedAsync(() => fresh.OpenAsync(Cancellation));
    }

    private static Task RefusedAsync(Func<Task> action) => TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, action);

    private async Task<LocalKms> MakeAsync()
    {
        var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("off", Cancellation);
        await kms.RotateKeyAsync("off", Cancellation);
        await kms.DisableKeyAsync("off", Cancellation);
        return kms;
    }
}

public sealed class SqliteAlteredRowTests() : AlteredRowTests(new SqliteTestStore());

public sealed class PostgresAlteredRowTests() : AlteredRowTests(new PostgresTestStore());
