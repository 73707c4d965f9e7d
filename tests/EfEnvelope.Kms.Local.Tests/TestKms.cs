using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local;

/// <summary>A folder of its own for one test, with a KMS file in it that is quick to open.</summary>
public sealed class TestKms : IDisposable
{
    public const string Passphrase = "correct horse battery staple";
    public const string KeyName = "clinic";

    public static readonly EncryptionContext Context = new([new("scope", "clinic"), new("table", "patients")]);

    public TestKms()
    {
        Folder = Directory.CreateTempSubdirectory("efenvelope-kms-").FullName;
        File = Path.Combine(Folder, "kms.db");
    }

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public string Folder { get; }

    public string File { get; }

    public string ConnectionString => $"Data Source={File}";

    /// <summary>The same seal with too few iterations to be accepted outside tests.</summary>
    public static LocalKmsSeal QuickSeal(string passphrase = Passphrase) => new PassphraseSeal(passphrase, iterations: 1000);

    public static byte[] NewKey(int length = 32) => RandomNumberGenerator.GetBytes(length);

    public LocalKms Open(LocalKmsSeal? seal = null, TimeProvider? time = null, ILoggerFactory? loggers = null, string? file = null)
        => new(file is null ? ConnectionString : $"Data Source={file}", seal ?? QuickSeal(), time, loggers);

    public async Task<LocalKms> CreateAsync(LocalKmsSeal? seal = null, TimeProvider? time = null, ILoggerFactory? loggers = null)
    {
        var kms = Open(seal, time, loggers);
        await kms.CreateAsync(Cancellation);
        await kms.CreateKeyAsync(KeyName, Cancellation);
        return kms;
    }

    /// <summary>Makes the file with a KEK, wraps a key, and closes it.</summary>
    public async Task<(WrappedKeyCopy Wrapped, byte[] Key)> MakeAsync()
    {
        using var kms = await CreateAsync();
        var key = NewKey();
        return (await kms.WrapAsync(KeyName, key, Context, Cancellation), key);
    }

    /// <summary>What <c>UseLocalKms</c> configures.</summary>
    public IKeyWrapper OpenConfigured(LocalKmsSeal? seal = null, string keyName = KeyName, string? connectionString = null)
        => new LocalKmsIdentity(new FilePlace(LocalKmsFile.Parse(connectionString ?? ConnectionString)), seal ?? QuickSeal(), keyName)
            .CreateWrapper(new KmsServices(TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance));

    public static async Task<KmsException> ThrowsAsync(KmsErrorKind kind, Func<Task> action)
    {
        var exception = await Assert.ThrowsAsync<KmsException>(action);
        Assert.Equal(kind, exception.Kind);
        return exception;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
