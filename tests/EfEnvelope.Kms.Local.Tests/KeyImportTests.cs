using System.Security.Cryptography;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Local;

public abstract class KeyImportTests(TestStore store) : StoreTests(store)
{
    private static readonly LocalKmsKeyOptions AesKey = new();

    private readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));

    [Theory]
    [InlineData(3072)]
    [InlineData(4096)]
    public async Task Imported_key_wraps_with_the_material_that_was_given(int wrappingKeySize)
    {
        using var kms = await Store.CreateAsync(_time);
        var material = TestKms.NewKey();
        var parameters = await kms.GetImportParametersAsync(wrappingKeySize, Cancellation);
        Assert.Equal(_time.GetUtcNow().AddHours(24), parameters.Expires);

        var key = await kms.ImportKeyAsync("brought", AesKey, parameters.Token, Wrap(parameters, material), Cancellation);

        Assert.True(key.IsImported);
        var plain = TestKms.NewKey();
        var bytes = (await kms.WrapAsync("brought", plain, TestKms.Context, Cancellation)).Ciphertext.ToArray();
        var opened = new byte[32];
        using var aes = new AesGcm(material, 16);
        aes.Decrypt(bytes.AsSpan(21, 12), bytes.AsSpan(33, 32), bytes.AsSpan(65), opened, [.. bytes[..21], .. TestKms.Context.AssociatedData.Span]);
        Assert.Equal(plain, opened);
    }

    [Fact]
    public async Task Imported_MAC_key_makes_the_MACs_of_its_material()
    {
        using var kms = await Store.CreateAsync(_time);
        var material = TestKms.NewKey();
        var parameters = await kms.GetImportParametersAsync(3072, Cancellation);

        await kms.ImportKeyAsync(
            "mac", new LocalKmsKeyOptions { Algorithm = LocalKmsKeyAlgorithm.HmacSha256 }, parameters.Token, Wrap(parameters, material), Cancellation);

        var data = TestKms.NewKey(100);
        Assert.Equal(HMACSHA256.HashData(material, data), (await kms.GenerateMacAsync("mac", data, Cancellation)).Bytes.ToArray());
    }

    [Theory]
    [InlineData(LocalKmsKeyAlgorithm.EcdsaP256)]
    [InlineData(LocalKmsKeyAlgorithm.EcdsaP384)]
    [InlineData(LocalKmsKeyAlgorithm.RsaPss2048)]
    public async Task Imported_private_key_signs_for_its_own_public_key(LocalKmsKeyAlgorithm algorithm)
    {
        using var kms = await Store.CreateAsync(_time);
        using AsymmetricAlgorithm mine = algorithm switch
        {
            LocalKmsKeyAlgorithm.EcdsaP256 => ECDsa.Create(ECCurve.NamedCurves.nistP256),
            LocalKmsKeyAlgorithm.EcdsaP384 => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            _ => RSA.Create(2048),
        };
        var parameters = await kms.GetImportParametersAsync(3072, Cancellation);

        await kms.ImportKeyAsync(
            "signer", new LocalKmsKeyOptions { Algorithm = algorithm }, parameters.Token, WrapPrivate(parameters, mine.ExportPkcs8PrivateKey()), Cancellation);

        Assert.Equal(mine.ExportSubjectPublicKeyInfo(), (await kms.GetPublicKeyAsync("signer", null, Cancellation)).SubjectPublicKeyInfo.ToArray());
        var signature = await kms.SignAsync("signer", new byte[3], Cancellation);
        Assert.True(await kms.VerifyAsync(new byte[3], signature, Cancellation));
    }

    [Fact]
    public async Task Token_is_good_once_and_for_24_hours()
    {
        using var kms = await Store.CreateAsync(_time);
        var used = await kms.GetImportParametersAsync(3072, Cancellation);
        await kms.ImportKeyAsync("one", AesKey, used.Token, Wrap(used, TestKms.NewKey()), Cancellation);
        var late = await kms.GetImportParametersAsync(3072, Cancellation);
        _time.Advance(TimeSpan.FromHours(24));

        foreach (var (token, wrapped) in new[] { (used.Token, Wrap(used, TestKms.NewKey())), (late.Token, Wrap(late, TestKms.NewKey())), ("none", []) })
        {
            await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.ImportKeyAsync("two", AesKey, token, wrapped, Cancellation));
        }

        await kms.RunMaintenanceAsync(Cancellation);
        Assert.Equal(0L, Convert.ToInt64(await Store.ExecuteAsync("SELECT count(*) FROM kms_imports")));
        Assert.Equal([TestStore.KeyName, "one"], (await kms.ListKeysAsync(Cancellation)).Select(k => k.Name));
    }

    [Fact]
    public async Task What_is_no_such_key_is_refused_and_the_token_stays_good()
    {
        using var kms = await Store.CreateAsync(_time);
        var parameters = await kms.GetImportParametersAsync(3072, Cancellation);
        var other = await kms.GetImportParametersAsync(3072, Cancellation);
        using var p256 = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var good = Wrap(parameters, TestKms.NewKey());
        var altered = good.ToArray();
        altered[5] ^= 1;

        await Refused(LocalKmsKeyAlgorithm.Aes256, []);
        await Refused(LocalKmsKeyAlgorithm.Aes256, altered);
        await Refused(LocalKmsKeyAlgorithm.Aes256, good[..^1]);
        await Refused(LocalKmsKeyAlgorithm.Aes256, [.. good, 0]);
        await Refused(LocalKmsKeyAlgorithm.Aes256, Wrap(parameters, TestKms.NewKey(31)));
        await Refused(LocalKmsKeyAlgorithm.Aes256, Wrap(other, TestKms.NewKey()));
        await Refused(LocalKmsKeyAlgorithm.EcdsaP256, good);
        await Refused(LocalKmsKeyAlgorithm.EcdsaP384, WrapPrivate(parameters, p256.ExportPkcs8PrivateKey()));
        await Refused(LocalKmsKeyAlgorithm.RsaPss2048, WrapPrivate(parameters, p256.ExportPkcs8PrivateKey()));
        await Refused(LocalKmsKeyAlgorithm.EcdsaP256, WrapPrivate(parameters, p256.ExportPkcs8PrivateKey())[..^8]);
        await kms.ImportKeyAsync("brought", AesKey, parameters.Token, good, Cancellation);

        Task Refused(LocalKmsKeyAlgorithm algorithm, byte[] wrapped) => TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext,
            () => kms.ImportKeyAsync("brought", new LocalKmsKeyOptions { Algorithm = algorithm }, parameters.Token, wrapped, Cancellation));
    }

    [Fact]
    public async Task Imported_key_rotates_by_import_alone()
    {
        using var kms = await Store.CreateAsync(_time);
        await ImportAsync(kms, "brought");
        var first = await kms.WrapAsync("brought", TestKms.NewKey(), TestKms.Context, Cancellation);

        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.RotateKeyAsync("brought", Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.SetKeyRotationAsync("brought", TimeSpan.FromDays(9), Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => ImportAsync(kms, TestStore.KeyName));
        Assert.Equal(2, (await ImportAsync(kms, "brought")).PrimaryVersion);

        Assert.Equal("2", (await kms.WrapAsync("brought", TestKms.NewKey(), TestKms.Context, Cancellation)).KekVersion);
        await kms.UnwrapAsync(first, TestKms.Context, Cancellation);
    }

    [Fact]
    public async Task Of_two_nodes_with_one_token_one_imports()
    {
        using var first = await Store.CreateAsync(_time);
        using var second = Store.Open(time: _time);
        await second.OpenAsync(Cancellation);
        for (var round = 0; round < 2; round++)
        {
            var parameters = await first.GetImportParametersAsync(3072, Cancellation);
            var wrapped = Wrap(parameters, TestKms.NewKey());
            var outcomes = await Task.WhenAll(new[] { first, second }.Select((kms, i) => Task.Run(async () =>
            {
                try
                {
                    await kms.ImportKeyAsync($"brought-{round}-{i}", AesKey, parameters.Token, wrapped, Cancellation);
                    return true;
                }
                catch (KmsException e)
                {
                    Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
                    return false;
                }
            })));

            Assert.Single(outcomes, true);
            Assert.Equal(2 + round, (await first.ListKeysAsync(Cancellation)).Count);
        }
    }

    private static async Task<LocalKmsKey> ImportAsync(LocalKms kms, string name)
    {
        var parameters = await kms.GetImportParametersAsync(3072, Cancellation);
        return await kms.ImportKeyAsync(name, AesKey, parameters.Token, Wrap(parameters, TestKms.NewKey()), Cancellation);
    }

    private static byte[] Wrap(LocalKmsImportParameters parameters, byte[] material)
    {
        using var rsa = RSA.Create();
        rsa.ImportSubjectPublicKeyInfo(parameters.WrappingKey.Span, out _);
        return rsa.Encrypt(material, RSAEncryptionPadding.OaepSHA256);
    }

    private static byte[] WrapPrivate(LocalKmsImportParameters parameters, byte[] privateKey)
    {
        using var aes = Aes.Create();
        aes.Key = TestKms.NewKey();
        return [.. Wrap(parameters, aes.Key), .. aes.EncryptKeyWrapPadded(privateKey)];
    }
}

public sealed class SqliteKeyImportTests() : KeyImportTests(new SqliteTestStore());

public sealed class PostgresKeyImportTests() : KeyImportTests(new PostgresTestStore());
