using System.Security.Cryptography;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;
using Microsoft.EntityFrameworkCore;

/// <summary>
/// A node that is to be killed: it creates, rotates, imports and deletes keys and changes the seal, over and over, and says on standard output, line by
/// line, what is done.
/// </summary>
internal static class Churn
{
    private static readonly EncryptionContext Context = new([new("process", "churn")]);

    public static async Task<int> RunAsync(string address, string keyFile, string otherKeyFile, bool imports)
    {
        var (seal, other) = (LocalKmsSeal.KeyFile(keyFile), LocalKmsSeal.KeyFile(otherKeyFile));
        Say("ready");
        Console.ReadLine();
        var kms = await OpenAsync(address, seal, other);

        await Task.WhenAll(imports ? Task.Run(() => ImportAsync(kms)) : Task.CompletedTask, Task.Run(() => LiveAsync(kms, seal, other)));
        return 0;
    }

    // The nodes that are not killed change the seal at the same time, so the one that opened it a moment ago may be gone.
    private static async Task<LocalKms> OpenAsync(string address, LocalKmsSeal seal, LocalKmsSeal other)
    {
        for (var attempt = 1; ; attempt++)
        {
            var kms = Open(address, attempt % 2 == 1 ? seal : other);
            try
            {
                await kms.CreateAsync();
                return kms;
            }
            catch (KmsException e) when (e.Kind == KmsErrorKind.Unauthenticated && attempt < 100)
            {
                kms.Dispose();
            }
        }
    }

    private static LocalKms Open(string address, LocalKmsSeal seal)
        => address.Contains("Host=") ? new LocalKms(store => store.UseNpgsql(address), seal) : new LocalKms($"Data Source={address}", seal);

    private static async Task LiveAsync(LocalKms kms, LocalKmsSeal seal, LocalKmsSeal other)
    {
        while (true)
        {
            var name = "made-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
            await kms.CreateKeyAsync(name);
            Say($"created {name} 1");
            await WrapAsync(kms, name);
            var rotated = await kms.RotateKeyAsync(name);
            Say($"created {name} {rotated.PrimaryVersion}");
            await WrapAsync(kms, name);
            await kms.AddSealAsync(other);
            try
            {
                await kms.RemoveSealAsync(seal);
                Say("seal changed");
            }
            catch (KmsException e) when (e.Kind is KmsErrorKind.NotFound or KmsErrorKind.InvalidRequest)
            {
                // Another node was faster.
            }

            (seal, other) = (other, seal);
            await kms.ScheduleKeyDeletionAsync(name, 7);
            Say($"scheduled {name}");
            if (RandomNumberGenerator.GetInt32(2) == 0)
                continue;
            await kms.CancelKeyDeletionAsync(name);
            await kms.EnableKeyAsync(name);
            await WrapAsync(kms, name);
        }
    }

    private static async Task ImportAsync(LocalKms kms)
    {
        while (true)
        {
            var name = "brought-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
            for (var version = 1; version <= 2; version++)
            {
                var parameters = await kms.GetImportParametersAsync(3072);
                using var rsa = RSA.Create();
                rsa.ImportSubjectPublicKeyInfo(parameters.WrappingKey.Span, out _);
                var wrapped = rsa.Encrypt(RandomNumberGenerator.GetBytes(32), RSAEncryptionPadding.OaepSHA256);
                await kms.ImportKeyAsync(name, new LocalKmsKeyOptions(), parameters.Token, wrapped);
                Say($"created {name} {version}");
                await WrapAsync(kms, name);
            }
        }
    }

    private static async Task WrapAsync(LocalKms kms, string name)
    {
        var key = RandomNumberGenerator.GetBytes(32);
        var wrapped = await kms.WrapAsync(name, key, Context);
        Say($"wrapped {Convert.ToHexString(key)} {new WrappedKey(wrapped)}");
    }

    private static void Say(string line)
    {
        lock (Console.Out)
        {
            Console.Out.WriteLine(line);
            Console.Out.Flush();
        }
    }
}
