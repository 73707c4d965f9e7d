using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Local;

public abstract class BackupTests(TestStore store, TestStore other) : StoreTests(store), IDisposable
{
    private const string Passphrase = "the passphrase of the backup";

    private readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));

    void IDisposable.Dispose()
    {
        other.Dispose();
        Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Restored_KMS_opens_all_that_was_wrapped_under_a_seal_of_its_own()
    {
        using var kms = await Store.CreateAsync(_time);
        await kms.RotateKeyAsync(TestStore.KeyName, Cancellation);
        await kms.SetKeyRotationAsync(TestStore.KeyName, TimeSpan.FromDays(20), Cancellation);
        await kms.SetAliasAsync("alias/a", TestStore.KeyName, Cancellation);
        await kms.CreateKeyAsync(
            "signer", new LocalKmsKeyOptions { Algorithm = LocalKmsKeyAlgorithm.EcdsaP256, Tags = new Dictionary<string, string> { ["a"] = "b" } }, Cancellation);
        await kms.CreateKeyAsync("leaving", Cancellation);
        await kms.CreateKeyAsync("gone", Cancellation);
        var key = TestKms.NewKey();
        var wrapped = await kms.WrapAsync("alias/a", key, TestKms.Context, Cancellation);
        var signature = await kms.SignAsync("signer", key, Cancellation);
        await kms.ScheduleKeyDeletionAsync("gone", 7, Cancellation);
        _time.Advance(TimeSpan.FromDays(7));
        await kms.RunMaintenanceAsync(Cancellation);
        await kms.ScheduleKeyDeletionAsync("leaving", 30, Cancellation);
        using var backup = new MemoryStream();
        await kms.BackupAsync(backup, Passphrase, Cancellation);
        var bytes = backup.ToArray();
        await kms.DisableKeyAsync(TestStore.KeyName, Cancellation);

        var seal = TestKms.QuickSeal("another seal");
        using var restored = other.Open(seal, _time);
        await restored.RestoreAsync(new MemoryStream(bytes), Passphrase, Cancellation);

        Assert.Equal(key, await restored.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        Assert.True(await restored.VerifyAsync(key, signature, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.PendingDeletion, () => restored.WrapAsync("leaving", key, TestKms.Context, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => restored.CreateKeyAsync("gone", Cancellation));
        Assert.Equal("b", (await restored.DescribeKeyAsync("signer", Cancellation)).Tags["a"]);
        _time.Advance(TimeSpan.FromDays(13));
        Assert.Equal("3", (await restored.WrapAsync("alias/a", key, TestKms.Context, Cancellation)).KekVersion);
        using var again = other.Open(seal, _time);
        Assert.Equal(key, await again.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        using var formerSeal = other.Open(time: _time);
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => formerSeal.OpenAsync(Cancellation));
    }

    [Fact]
    public async Task Wrong_passphrase_or_altered_backup_changes_nothing()
    {
        byte[] bytes;
        using (var kms = await Store.CreateAsync(_time))
        {
            using var backup = new MemoryStream();
            await kms.BackupAsync(backup, Passphrase, Cancellation);
            bytes = backup.ToArray();
        }

        using var restored = other.Open(time: _time);
        await Refused(KmsErrorKind.InvalidCiphertext, bytes, Passphrase + "!");
        foreach (var at in new[] { 5, 40, 60, bytes.Length / 2, bytes.Length - 1 })
        {
            var altered = bytes.ToArray();
            altered[at] ^= 0x20;
            await Refused(KmsErrorKind.InvalidCiphertext, altered);
        }

        foreach (var length in new[] { 66, bytes.Length / 2, bytes.Length - 1 })
            await Refused(KmsErrorKind.InvalidCiphertext, bytes[..length]);
        await Refused(KmsErrorKind.InvalidRequest, []);
        await Refused(KmsErrorKind.InvalidRequest, bytes[..40]);
        await Refused(KmsErrorKind.InvalidRequest, Encoding.ASCII.GetBytes(new string('x', 5000)));
        await Refused(KmsErrorKind.InvalidRequest, [.. bytes[..4], 9, .. bytes[5..]]);
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => restored.ListKeysAsync(Cancellation));

        await restored.RestoreAsync(new MemoryStream(bytes), Passphrase, Cancellation);
        Assert.Single(await restored.ListKeysAsync(Cancellation));

        Task Refused(KmsErrorKind kind, byte[] file, string passphrase = Passphrase)
            => TestKms.ThrowsAsync(kind, () => restored.RestoreAsync(new MemoryStream(file), passphrase, Cancellation));
    }

    [Fact]
    public async Task Backup_is_not_restored_over_another_KMS()
    {
        using var kms = await Store.CreateAsync(_time);
        using var backup = new MemoryStream();
        await kms.BackupAsync(backup, Passphrase, Cancellation);
        using var present = await other.CreateAsync(_time);
        var before = await present.DescribeKeyAsync(TestStore.KeyName, Cancellation);

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest, () => present.RestoreAsync(new MemoryStream(backup.ToArray()), Passphrase, Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest, () => kms.RestoreAsync(new MemoryStream(backup.ToArray()), Passphrase, Cancellation));

        Assert.Equal(before.KeyId, (await present.DescribeKeyAsync(TestStore.KeyName, Cancellation)).KeyId);
    }

    // Reads the file by the table in KmsBackup and by nothing of its code.
    [Fact]
    public async Task Backup_is_laid_out_as_documented()
    {
        using var kms = await Store.CreateAsync(_time);
        using var backup = new MemoryStream();
        await kms.BackupAsync(backup, Passphrase, Cancellation);
        var bytes = backup.ToArray();

        Assert.Equal("EKBK\u0001", Encoding.ASCII.GetString(bytes, 0, 5));
        var key = Rfc2898DeriveBytes.Pbkdf2(Passphrase, bytes.AsSpan(5, 32), 600_000, HashAlgorithmName.SHA512, 32);
        var content = new byte[bytes.Length - 49 - 16];
        using var aes = new AesGcm(key, 16);
        aes.Decrypt(bytes.AsSpan(37, 12), bytes.AsSpan(49, content.Length), bytes.AsSpan(bytes.Length - 16), content, bytes.AsSpan(0, 49));
        Assert.Contains("\"kms_keys\":[{", Encoding.UTF8.GetString(content));
        Assert.DoesNotContain("kms_seals", Encoding.UTF8.GetString(content));
    }
}

public sealed class SqliteToPostgresBackupTests() : BackupTests(new SqliteTestStore(), new PostgresTestStore());

public sealed class PostgresToSqliteBackupTests() : BackupTests(new PostgresTestStore(), new SqliteTestStore());

public sealed class SqliteToSqliteBackupTests() : BackupTests(new SqliteTestStore(), new SqliteTestStore());
