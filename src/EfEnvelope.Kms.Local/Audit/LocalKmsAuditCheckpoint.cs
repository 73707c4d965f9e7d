using System.Buffers;
using System.Text;
using System.Text.Json;
using EfEnvelope.Kms.Local.Audit;

namespace EfEnvelope.Kms.Local;

/// <summary>A signature over the audit trail as far as one event. Kept elsewhere, it tells whether the trail was put back later.</summary>
/// <remarks>Its text is one line of JSON, the same as in an export. It holds no secret.</remarks>
public sealed class LocalKmsAuditCheckpoint
{
    internal LocalKmsAuditCheckpoint(string kmsId, long sequence, long time, byte[] hash, byte[] signature)
    {
        KmsId = kmsId;
        Sequence = sequence;
        Microseconds = time;
        Hash = hash;
        Signature = signature;
    }

    /// <summary>Gets the id of the KMS.</summary>
    public string KmsId { get; }

    /// <summary>Gets the sequence of the last event it covers.</summary>
    public long Sequence { get; }

    /// <summary>Gets when it was signed.</summary>
    public DateTimeOffset Time => AuditTime.Of(Microseconds);

    internal long Microseconds { get; }

    internal byte[] Hash { get; }

    internal byte[] Signature { get; }

    internal byte[] Signed => AuditChain.Checkpoint(KmsId, Sequence, Microseconds, Hash);

    /// <summary>Reads what <see cref="ToString" /> wrote. The signature is verified when it is used.</summary>
    /// <param name="text">The line of JSON.</param>
    /// <returns>The checkpoint.</returns>
    /// <exception cref="FormatException">It is no checkpoint.</exception>
    public static LocalKmsAuditCheckpoint Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            using var document = JsonDocument.Parse(text);
            var root = document.RootElement;
            if (root.GetProperty("type").GetString() == "checkpoint" && root.GetProperty("kms").GetString() is { } kmsId
                && root.GetProperty("time").GetString() is { } time && root.GetProperty("hash").GetString() is { } hash
                && Convert.FromHexString(hash) is { Length: AuditChain.HashSize } bytes)
            {
                return new LocalKmsAuditCheckpoint(
                    kmsId, root.GetProperty("sequence").GetInt64(), AuditTime.Parse(time), bytes, root.GetProperty("signature").GetBytesFromBase64());
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new FormatException(LocalKmsAuditMessages.NoCheckpoint(), e);
        }

        throw new FormatException(LocalKmsAuditMessages.NoCheckpoint());
    }

    /// <summary>Returns the checkpoint as one line of JSON.</summary>
    /// <returns>What <see cref="Parse" /> reads.</returns>
    public override string ToString()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("type", "checkpoint");
            writer.WriteString("kms", KmsId);
            writer.WriteNumber("sequence", Sequence);
            writer.WriteString("time", AuditTime.Text(Microseconds));
            writer.WriteString("hash", Convert.ToHexStringLower(Hash));
            writer.WriteBase64String("signature", Signature);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
