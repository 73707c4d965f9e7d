using System.Security.Cryptography;
using EfEnvelope.Kms.Pkcs11;
using Net.Pkcs11Interop.Common;

namespace EfEnvelope.Kms.Tests.Pkcs11;

/// <summary>KEKs on a real token: which key object wraps, and what is stored.</summary>
[Collection("PKCS#11")]
public sealed class Pkcs11Tests
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Key_object_is_made_on_the_token_and_cannot_leave_it()
    {
        var options = SoftHsm.NewToken();

        var version = await Pkcs11Kms.CreateKeyAsync("kek", options, Token);

        SoftHsm.Administer(options, session =>
        {
            var key = Assert.Single(SoftHsm.KeysOf(session, "kek"));
            CKA[] asked = [CKA.CKA_SENSITIVE, CKA.CKA_ALWAYS_SENSITIVE, CKA.CKA_NEVER_EXTRACTABLE, CKA.CKA_LOCAL, CKA.CKA_EXTRACTABLE, CKA.CKA_WRAP];
            var values = session.GetAttributeValue(key, [.. asked, CKA.CKA_VALUE, CKA.CKA_ID, CKA.CKA_VALUE_LEN]);
            Assert.Equal([true, true, true, true, false, false], values.Take(asked.Length).Select(v => v.GetValueAsBool()));
            Assert.True(values[^3].CannotBeRead);
            Assert.Equal(version, Convert.ToHexStringLower(values[^2].GetValueAsByteArray()));
            Assert.Equal(32ul, values[^1].GetValueAsUlong());
            return 0;
        });
        using var client = Client(options);
        var described = await client.DescribeAsync(Token);
        Assert.Equal((version, KekState.Enabled), (described.PrimaryVersion, described.State));
        Assert.StartsWith("SoftHSM", described.Protection, StringComparison.Ordinal);
        Assert.DoesNotContain("EXTRACTABLE", described.Protection, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Key_that_could_leave_the_token_is_described_so()
    {
        var options = SoftHsm.NewToken();
        SoftHsm.Administer(options, session =>
        {
            var attributes = session.Factories.ObjectAttributeFactory;
            using var mechanism = session.Factories.MechanismFactory.Create(CKM.CKM_AES_KEY_GEN);
            return session.GenerateKey(mechanism,
            [
                attributes.Create(CKA.CKA_TOKEN, true), attributes.Create(CKA.CKA_LABEL, "kek"), attributes.Create(CKA.CKA_ID, [1]),
                attributes.Create(CKA.CKA_VALUE_LEN, 32), attributes.Create(CKA.CKA_EXTRACTABLE, true),
                attributes.Create(CKA.CKA_ENCRYPT, true), attributes.Create(CKA.CKA_DECRYPT, true),
            ]);
        });
        using var client = Client(options);

        Assert.Contains("EXTRACTABLE", (await client.DescribeAsync(Token)).Protection, StringComparison.Ordinal);
    }

    // Also the stored form: what .NET's own AES-GCM finds in it must never move.
    [Fact]
    public async Task Copy_is_AES_GCM_under_the_key_object_with_the_context_as_associated_data()
    {
        var options = SoftHsm.NewToken();
        var kek = RandomNumberGenerator.GetBytes(32);
        SoftHsm.Import(options, "kek", [0x0a, 0x01], kek);
        using var client = Client(options);

        var copy = await client.WrapAsync(Key, Context, Token);

        Assert.Equal("0a01", copy.KekVersion);
        var bytes = copy.Ciphertext.ToArray();
        Assert.Equal((1 + 12 + 32 + 16, 0x01), (bytes.Length, bytes[0]));
        var opened = new byte[32];
        using var aes = new AesGcm(kek, 16);
        aes.Decrypt(bytes.AsSpan(1, 12), bytes.AsSpan(13, 32), bytes.AsSpan(45), opened, Context.AssociatedData.Span);
        Assert.Equal(Key, opened);
    }

    [Fact]
    public async Task Copy_that_was_stored_long_ago_opens()
    {
        var options = SoftHsm.NewToken("golden ;=ä");
        SoftHsm.Import(options, "kek/1", [0x00, 0x2a], [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        using var client = Client(options, "kek/1");
        const string Stored =
            """[{"kek":"pkcs11:token=golden%20%3B%3D%C3%A4;object=kek%2F1","version":"002a","key":"@"}]""";

        var copy = WrappedKey.Parse(Stored.Replace("@", Golden, StringComparison.Ordinal)).Copies.Single();

        Assert.Equal(client.Kek, copy.Kek);
        Assert.Equal(Enumerable.Range(100, 32).Select(i => (byte)i), await client.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Highest_id_wraps_as_a_number_whatever_the_order_in_which_they_were_made()
    {
        var options = SoftHsm.NewToken();
        using var client = Client(options);
        List<WrappedKeyCopy> copies = [];
        foreach (var (id, primary) in ((string, string)[])[("02", "02"), ("0a", "0a"), ("09", "0a"), ("0100", "0100"), ("00000003", "0100")])
        {
            SoftHsm.Import(options, "kek", Convert.FromHexString(id), RandomNumberGenerator.GetBytes(32));
            copies.Add(await client.WrapAsync(Key, Context, Token));
            Assert.Equal(primary, copies[^1].KekVersion);
        }

        foreach (var copy in copies)
            Assert.Equal(Key, await client.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Rotation_makes_a_higher_id_even_after_one_that_is_beyond_any_time()
    {
        var options = SoftHsm.NewToken();
        SoftHsm.Import(options, "kek", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], RandomNumberGenerator.GetBytes(32));

        var version = await Pkcs11Kms.CreateKeyAsync("kek", options, Token);

        Assert.Equal("010000000000000000", version);
        using var client = Client(options);
        Assert.Equal(version, (await client.WrapAsync(Key, Context, Token)).KekVersion);
    }

    [Fact]
    public async Task Removed_version_is_named_and_others_still_open()
    {
        var options = SoftHsm.NewToken();
        using var client = Client(options);
        SoftHsm.Import(options, "kek", [0x01], RandomNumberGenerator.GetBytes(32));
        var first = await client.WrapAsync(Key, Context, Token);
        SoftHsm.Remove(options, "kek");
        SoftHsm.Import(options, "kek", [0x02], RandomNumberGenerator.GetBytes(32));
        var second = await client.WrapAsync(Key, Context, Token);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await client.UnwrapAsync(first, Context, Token));

        Assert.Equal(KmsErrorKind.NotFound, e.Kind);
        Assert.Contains("the id 01", e.Message, StringComparison.Ordinal);
        Assert.Equal(Key, await client.UnwrapAsync(second, Context, Token));
    }

    [Fact]
    public async Task Two_key_objects_with_one_id_are_refused()
    {
        var options = SoftHsm.NewToken();
        using var client = Client(options);
        SoftHsm.Import(options, "kek", [0x01], RandomNumberGenerator.GetBytes(32));
        var copy = await client.WrapAsync(Key, Context, Token);
        SoftHsm.Import(options, "kek", [0x01], RandomNumberGenerator.GetBytes(32));

        Assert.Equal(KmsErrorKind.InvalidRequest, (await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token))).Kind);
        Assert.Equal(KmsErrorKind.InvalidRequest, (await Assert.ThrowsAsync<KmsException>(async () => await client.UnwrapAsync(copy, Context, Token))).Kind);
    }

    [Fact]
    public async Task Key_object_without_id_is_refused()
    {
        var options = SoftHsm.NewToken();
        using var client = Client(options);
        SoftHsm.Import(options, "kek", [], RandomNumberGenerator.GetBytes(32));

        var e = await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        Assert.Contains("CKA_ID", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Copy_on_another_token_is_refused_without_a_login_there()
    {
        var (here, there) = (SoftHsm.NewToken(), SoftHsm.NewToken());
        await Pkcs11Kms.CreateKeyAsync("kek", there, Token);
        using var other = Client(there);
        var copy = await other.WrapAsync(Key, Context, Token);
        using var client = Client(here with { Pin = Pkcs11Pin.Ask(_ => throw new InvalidOperationException("asked")) });

        Assert.Equal(KmsErrorKind.WrongKey, (await Assert.ThrowsAsync<KmsException>(async () => await client.UnwrapAsync(copy, Context, Token))).Kind);
    }

    [Theory]
    [InlineData("pkcs11:token=T;object=kek;type=secret-key")]
    [InlineData("pkcs11:token=T;token=T;object=kek")]
    [InlineData("pkcs11:token=T")]
    [InlineData("pkcs11:object=kek")]
    [InlineData("pkcs11:kek")]
    public async Task KEK_URI_that_names_no_key_object_is_refused(string kek)
    {
        using var client = new Pkcs11Client(new Pkcs11Options { ModulePath = "/none", TokenLabel = "T", Pin = Pkcs11Pin.Of("1") }, "kek");

        var e = await Assert.ThrowsAsync<KmsException>(
            async () => await client.UnwrapAsync(new WrappedKeyCopy(new KekUri(kek), "01", new byte[61]), Context, Token));

        Assert.Equal(KmsErrorKind.WrongKey, e.Kind);
    }

    private const string Golden = "AWdvbGRlbiBpdiAxMgAkEN5Yv3FX2UfqojR451ZDDgRlP5RqzlWh01YEPcjNX4tHEu2D8iJlgVMiEfLnGQ==";

    private static Pkcs11Client Client(Pkcs11Options options, string label = "kek") => new(options, label);
}
