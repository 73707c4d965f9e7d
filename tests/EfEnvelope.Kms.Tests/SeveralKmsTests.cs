using System.Security.Cryptography;
using EfEnvelope.Kms.Local;
using EfEnvelope.Kms.Pkcs11;
using EfEnvelope.Kms.Tests.Aws;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.GoogleCloud;
using EfEnvelope.Kms.Tests.Pkcs11;
using EfEnvelope.Kms.Tests.Vault;

namespace EfEnvelope.Kms.Tests;

/// <summary>One key under KEKs of several clouds, and one KMS that seals another.</summary>
[Collection("PKCS#11")]
public sealed class SeveralKmsTests
{
    private static readonly EncryptionContext Context = new([new("purpose", "several")]);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Key_under_three_clouds_opens_while_any_of_them_is_there()
    {
        await using var aws = await AwsKmsHarness.StartAsync();
        await using var google = await GoogleHarness.StartAsync();
        await using var vault = await VaultHarness.StartAsync();
        var wrapping = new KeyWrapping([aws.Wrapper, google.Wrapper, vault.Wrapper], TimeSpan.FromSeconds(30));
        var key = RandomNumberGenerator.GetBytes(32);
        var wrapped = WrappedKey.Parse((await wrapping.WrapAsync(key, Context, synchronous: false, Token)).ToString());
        Assert.Equal(["aws-kms", "gcp-kms", "vault-transit"], wrapped.Copies.Select(c => c.Kek.Scheme));

        Assert.Equal(key, await wrapping.UnwrapAsync(wrapped, Context, synchronous: false, Token));
        await aws.StopAsync();
        Assert.Equal(key, await wrapping.UnwrapAsync(wrapped, Context, synchronous: false, Token));
        await google.ThrottleAsync(1000);
        Assert.Equal(key, await wrapping.UnwrapAsync(wrapped, Context, synchronous: false, Token));
        await vault.StopAsync();
        Assert.Equal(KmsErrorKind.Unavailable, (await Assert.ThrowsAsync<KmsException>(async () => await wrapping.UnwrapAsync(wrapped, Context, synchronous: false, Token))).Kind);
    }

    [Fact]
    public async Task Refusal_of_one_cloud_is_told_and_no_other_is_asked()
    {
        await using var aws = await AwsKmsHarness.StartAsync();
        await using var google = await GoogleHarness.StartAsync();
        var wrapping = new KeyWrapping([aws.Wrapper, google.Wrapper], TimeSpan.FromSeconds(30));
        var wrapped = await wrapping.WrapAsync(RandomNumberGenerator.GetBytes(32), Context, synchronous: false, Token);
        await aws.DenyAsync();
        var before = google.Requests;

        Assert.Equal(KmsErrorKind.AccessDenied, (await Assert.ThrowsAsync<KmsException>(async () => await wrapping.UnwrapAsync(wrapped, Context, synchronous: false, Token))).Kind);
        Assert.Equal(before, google.Requests);
    }

    [Fact]
    public async Task Rows_move_from_the_embedded_kms_to_a_cloud_without_being_touched()
    {
        await using var local = await Local.LocalHarness.StartOnSqliteAsync();
        await using var google = await GoogleHarness.StartAsync();
        await using var application = new NoteApplication();
        await application.WriteAsync(local.Wrapper, "kept");

        await application.RewrapAsync(google.Wrapper, local.Wrapper);
        await application.RewrapAsync(google.Wrapper);
        await local.DisableAsync();

        Assert.Equal(["kept"], await application.ReadAsync(google.Wrapper));
    }

    [Fact]
    public async Task Embedded_kms_is_sealed_by_a_pkcs11_token()
    {
        var options = SoftHsm.NewToken();
        await using var token = await Pkcs11Harness.StartAsync(options);
        await SealsAsync(token.Wrapper, token.OtherKey);
    }

    [Fact]
    public async Task Embedded_kms_is_sealed_by_a_cloud()
    {
        await using var aws = await AwsKmsHarness.StartAsync();
        await SealsAsync(aws.Wrapper, aws.OtherKey);
    }

    private static async Task SealsAsync(IKeyWrapper kek, IKeyWrapper other)
    {
        var folder = Directory.CreateTempSubdirectory("efenvelope-sealed-").FullName;
        try
        {
            var store = $"Data Source={Path.Combine(folder, "kms.db")}";
            WrappedKeyCopy wrapped;
            var key = RandomNumberGenerator.GetBytes(32);
            await using (var kms = new LocalKms(store, LocalKmsSeal.KeyWrapper(kek)))
            {
                await kms.CreateAsync(Token);
                await kms.CreateKeyAsync("clinic", Token);
                wrapped = await kms.WrapAsync("clinic", key, Context, Token);
            }

            await using (var kms = new LocalKms(store, LocalKmsSeal.KeyWrapper(kek)))
            {
                Assert.Equal(key, await kms.UnwrapAsync(wrapped, Context, Token));
                await kms.AddSealAsync(LocalKmsSeal.Passphrase("another way in"), Token);
                await kms.RemoveSealAsync(LocalKmsSeal.KeyWrapper(kek), Token);
            }

            await using (var kms = new LocalKms(store, LocalKmsSeal.KeyWrapper(other)))
                Assert.Equal(KmsErrorKind.Unauthenticated, (await Assert.ThrowsAsync<KmsException>(() => kms.UnwrapAsync(wrapped, Context, Token))).Kind);
            await using (var kms = new LocalKms(store, LocalKmsSeal.Passphrase("another way in")))
                Assert.Equal(key, await kms.UnwrapAsync(wrapped, Context, Token));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
