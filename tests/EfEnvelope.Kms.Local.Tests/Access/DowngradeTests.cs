using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Local.Access;

public sealed class DowngradeTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Store_that_is_said_to_be_of_format_1_does_not_take_forged_rows_as_they_stand()
    {
        using (var kms = await _test.CreateAsync())
        {
            await kms.DisableKeyAsync(TestKms.KeyName, TestKms.Cancellation);
            await kms.Access.EnforceAsync(TestKms.Cancellation);
        }

        await SqliteFile.ExecuteAsync(
            _test.File,
            """
            DELETE FROM kms_access; DELETE FROM kms_audit_events; DELETE FROM kms_audit_head; DELETE FROM kms_audit_key;
            DELETE FROM kms_audit_checkpoints; UPDATE kms_keys SET state = 'enabled'; UPDATE kms_meta SET format_version = 1;
            """);

        using var forged = _test.Open();
        await TestKms.ThrowsAsync(
            KmsErrorKind.Unauthenticated, () => forged.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
        Assert.Equal(1L, await SqliteFile.ExecuteAsync(_test.File, "SELECT format_version FROM kms_meta"));
    }

    [Fact]
    public async Task Store_of_format_2_is_upgraded_with_the_aliases_that_it_has()
    {
        await MakeFormat2Async();

        using (var kms = _test.Open())
        {
            Assert.Equal(["alias/archive"], (await kms.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation)).Aliases);
            await kms.WrapAsync("alias/archive", TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
            Assert.True((await kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation)).IsIntact);
        }

        Assert.Equal(3L, await SqliteFile.ExecuteAsync(_test.File, "SELECT format_version FROM kms_meta"));
        await SqliteFile.ExecuteAsync(_test.File, "DELETE FROM kms_aliases");
        using var again = _test.Open();
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => again.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation));
    }

    [Fact]
    public async Task Store_that_is_said_to_be_of_format_2_does_not_lose_an_alias()
    {
        using (var kms = await _test.CreateAsync())
            await kms.SetAliasAsync("alias/archive", TestKms.KeyName, TestKms.Cancellation);
        await SqliteFile.ExecuteAsync(_test.File, "DELETE FROM kms_aliases; UPDATE kms_meta SET format_version = 2");

        using var forged = _test.Open();

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => forged.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
        await SqliteFile.ExecuteAsync(_test.File, "UPDATE kms_keys SET aliases = NULL; UPDATE kms_meta SET format_version = 2");
        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => forged.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Backup_of_format_2_restores()
    {
        await MakeFormat2Async(dropColumn: false);
        using var backup = new MemoryStream();
        await using (var db = Store.OpenReader())
        {
            var header = (await Store.ReadHeaderAsync(TestKms.Cancellation))!;
            using var root = await RootKey.OpenAsync(
                TestKms.QuickSeal(), _test.File, header, await Store.ReadSealsAsync(TestKms.Cancellation), TestKms.Cancellation);
            backup.Write(KmsBackup.Seal(await KmsBackup.ReadAsync(db, root, TestKms.Cancellation), "passphrase"));
        }

        backup.Position = 0;
        using var other = new TestKms();
        using var kms = other.Open();
        await kms.RestoreAsync(backup, "passphrase", TestKms.Cancellation);

        Assert.Equal(["alias/archive"], (await kms.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation)).Aliases);
    }

    private KmsStore Store => new(new FilePlace(LocalKmsFile.Parse(_test.ConnectionString)));

    // As format 2 left it: no key row says which aliases the key has.
    private async Task MakeFormat2Async(bool dropColumn = true)
    {
        using (var kms = await _test.CreateAsync())
            await kms.SetAliasAsync("alias/archive", TestKms.KeyName, TestKms.Cancellation);
        using var opener = new KmsOpener(Store, TestKms.QuickSeal(), TimeProvider.System, NullLogger.Instance);
        var root = (await opener.OpenAsync(create: false, synchronous: false, TestKms.Cancellation))!;
        await using (var db = Store.Place.CreateContext())
        {
            var key = await db.Keys.SingleAsync(TestKms.Cancellation);
            key.Aliases = null;
            RowMacs.Sign(root, key);
            (await db.Meta.SingleAsync(TestKms.Cancellation)).FormatVersion = 2;
            await db.SaveChangesAsync(TestKms.Cancellation);
        }

        if (dropColumn)
            await SqliteFile.ExecuteAsync(_test.File, "ALTER TABLE kms_keys DROP COLUMN aliases");
    }
}
