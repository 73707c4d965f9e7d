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
}
