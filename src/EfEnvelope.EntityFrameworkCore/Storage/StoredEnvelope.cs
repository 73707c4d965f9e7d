using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.Envelopes;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Stored bytes on their way to the application.</summary>
internal sealed class StoredEnvelope(byte[] bytes, EnvelopeSession session) : Envelope
{
    internal override string FieldName => "stored";

    public T Open<T>(string field)
    {
        var codec = PlaintextCodec<T>.Default;
        return session.Open(codec.GetField(field), bytes, codec);
    }

    public byte[] ToArray() => bytes;

    public override bool Equals(object? obj) => obj is StoredEnvelope other && other.Bytes.SequenceEqual(bytes);

    public override int GetHashCode() => bytes.Length;

    private ReadOnlySpan<byte> Bytes => bytes;
}
