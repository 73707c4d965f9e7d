using System.Security.Cryptography;

namespace EfEnvelope.Keys;

// Key bytes in pinned memory, so that the collector leaves no copies behind; zeroed when disposed, or when dropped.
internal sealed class OwnedBytes : IDisposable
{
    private readonly byte[] _bytes;
    private volatile bool _disposed;

    public OwnedBytes(int length) => _bytes = GC.AllocateArray<byte>(length, pinned: true);

    ~OwnedBytes() => CryptographicOperations.ZeroMemory(_bytes);

    public Span<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _bytes;
        }
    }

    /// <summary>
    /// Proves that the bytes were still there after they were used. A span outlives the check that <see cref="Span" /> makes, so what
    /// was derived from it meanwhile may have been derived from zeros.
    /// </summary>
    public void ThrowIfDisposed()
    {
        Interlocked.MemoryBarrier();
        ObjectDisposedException.ThrowIf(_disposed, this);
    }

    public void Dispose()
    {
        _disposed = true;
        Interlocked.MemoryBarrier();
        CryptographicOperations.ZeroMemory(_bytes);
        GC.SuppressFinalize(this);
    }

    public override string ToString() => $"OwnedBytes({_bytes.Length})";
}
