using System.Security.Cryptography;
using EfEnvelope.Kms.Pkcs11;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace EfEnvelope.Kms.Tests.Pkcs11;

/// <summary>How long a buffer a module gets, and what happens when it wants a longer one.</summary>
[Collection("PKCS#11")]
public sealed class Pkcs11CallsTests
{
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    // SoftHSM leaves the operation active, as the standard says.
    [Fact]
    public void Module_that_wants_a_longer_buffer_gets_it_and_does_not_begin_again()
    {
        var options = SoftHsm.NewToken();
        SoftHsm.Import(options, "kek", [1], RandomNumberGenerator.GetBytes(32));

        SoftHsm.Administer(options, session =>
        {
            var kek = SoftHsm.KeysOf(session, "kek").Single();
            using var parameters = session.Factories.MechanismParamsFactory.CreateCkGcmParams(new byte[12], 96, [], 128);
            using var mechanism = session.Factories.MechanismFactory.Create(CKM.CKM_AES_GCM, parameters);
            var ciphertext = Pkcs11Calls.Encrypt(session, mechanism, kek, Key, size: 1);
            Assert.Equal(48, ciphertext.Length);
            Assert.Equal(ciphertext, Pkcs11Calls.Encrypt(session, mechanism, kek, Key, size: 48));
            Assert.Equal(Key, Pkcs11Calls.Decrypt(session, mechanism, kek, ciphertext));
            return 0;
        });
    }

    [Fact]
    public void Result_is_cut_to_the_length_that_the_module_says_and_a_longer_one_is_a_failure()
    {
        List<byte[]> buffers = [];
        byte[] Fill(int size, params (CKR Code, ulong Length)[] answers)
        {
            var next = 0;
            return Pkcs11Calls.Fill(
                "C_Encrypt",
                (byte[] result, ref ulong length) =>
                {
                    Assert.Equal((ulong)result.Length, length);
                    buffers.Add(result);
                    result.AsSpan().Fill(7);
                    length = answers[next].Length;
                    return answers[next++].Code;
                },
                size);
        }

        Assert.Equal([7, 7], Fill(3, (CKR.CKR_OK, 2)));
        Assert.Equal([7, 7, 7, 7, 7], Fill(3, (CKR.CKR_BUFFER_TOO_SMALL, 5), (CKR.CKR_OK, 5)));
        Refuses(CKR.CKR_BUFFER_TOO_SMALL, () => Fill(3, (CKR.CKR_BUFFER_TOO_SMALL, 3)));
        Refuses(CKR.CKR_BUFFER_TOO_SMALL, () => Fill(3, (CKR.CKR_BUFFER_TOO_SMALL, ulong.MaxValue)));
        Refuses(CKR.CKR_BUFFER_TOO_SMALL, () => Fill(3, (CKR.CKR_BUFFER_TOO_SMALL, 5), (CKR.CKR_BUFFER_TOO_SMALL, 7)));
        Refuses(CKR.CKR_DEVICE_ERROR, () => Fill(3, (CKR.CKR_DEVICE_ERROR, 3)));
        Refuses(CKR.CKR_GENERAL_ERROR, () => Fill(3, (CKR.CKR_OK, 4)));

        // Each may have held a key.
        Assert.All(buffers, buffer => Assert.All(buffer, b => Assert.Equal(0, b)));

        static void Refuses(CKR code, Func<byte[]> call)
        {
            var e = Assert.Throws<Pkcs11Exception>(call);
            Assert.Equal(("C_Encrypt", code), (e.Method, e.RV));
        }
    }

    [Fact]
    public void Module_that_was_started_is_not_used_with_other_parameters()
    {
        var options = Nss.Token();

        var e = Assert.Throws<KmsException>(() => SoftHsm.Slot(options with { ModuleParameters = "configdir='sql:/none'" }));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        Assert.Contains("other 'ModuleParameters'", e.Message, StringComparison.Ordinal);
        Assert.NotNull(SoftHsm.Slot(options));
    }
}
