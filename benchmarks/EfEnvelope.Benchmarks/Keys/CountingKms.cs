using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>An embedded KMS in a directory of its own, and how often it was asked.</summary>
internal sealed class CountingKms : IKeyWrapper
{
    private const string Name = "bench";

    private static readonly Lazy<Task<IKeyWrapper>> Embedded = new(CreateAsync);
    private readonly IKeyWrapper _inner = Embedded.Value.GetAwaiter().GetResult();
    private int _calls;

    public int Calls => Volatile.Read(ref _calls);

    public KekUri Kek => _inner.Kek;

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref _calls);
        return _inner.WrapAsync(key, context, cancellationToken);
    }

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref _calls);
        return _inner.UnwrapAsync(wrapped, context, cancellationToken);
    }

    private static async Task<IKeyWrapper> CreateAsync()
    {
        var directory = Places.NewDirectory();
        var kms = new LocalKms($"Data Source={Path.Combine(directory, "kms.db")}", LocalKmsSeal.CreateKeyFile(Path.Combine(directory, "kms.key")));
        await kms.CreateAsync();
        await kms.CreateKeyAsync(Name);
        return kms.GetKeyWrapper(Name);
    }
}
