using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Cli.Commands;

/// <summary>
/// Verifies an exported audit trail with the public key alone, as the README of the embedded KMS describes its form. It needs no KMS and no seal; the public
/// key that the export itself carries counts for nothing.
/// </summary>
internal sealed class ExportedTrail : IDisposable
{
    private static readonly string[] EventFields =
    [
        "type", "sequence", "time", "principal", "operation", "keyName", "keyId", "keyVersion", "context", "detail", "outcome", "errorKind", "rule", "correlationId", "node", "hash",
    ];

    // What a reader could take in two ways is not what was signed.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private readonly ECDsa _key;
    private readonly SHA256Chain _chain = new();
    private Checkpoint? _expected;
    private string _kms = "";
    private long _attested;
    private long _checkpoints;
    private long _events;

    private ExportedTrail(ECDsa key) => _key = key;

    public static ExportedTrail Open(string pem, string path)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            return new ExportedTrail(key);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new EnvelopeConfigurationException(CliMessages.MalformedPublicKey(path));
        }
    }

    public async Task<LocalKmsAuditReport> VerifyAsync(TextReader reader, string? expected, CancellationToken cancellationToken)
    {
        _expected = expected is null ? null : Parse(expected, Checkpoint.Read);
        for (var line = 1L; await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } text; line++)
        {
            var fault = line == 1 ? TryRead(text, Begin) : TryRead(text, Follow);
            if (fault is { } bad)
                return Report(bad.At, bad.Text ?? (line == 1 ? CliMessages.TrailHeader() : CliMessages.TrailLine(line)));
        }

        if (_kms.Length == 0)
            return Report(null, CliMessages.TrailHeader());
        if (_events > 0 && _attested < _chain.Sequence)
            return Report(_attested + 1, CliMessages.TrailUnsigned(_attested + 1));
        return _expected is { } kept && (kept.Kms != _kms || !IsSigned(kept) || kept.Sequence > _chain.Sequence)
            ? Report(kept.Sequence > _chain.Sequence && kept.Kms == _kms ? _chain.Sequence + 1 : null, CliMessages.TrailExpected(kept.Sequence))
            : Report(null, null);
    }

    public void Dispose() => _key.Dispose();

    private static T Parse<T>(string text, Func<JsonElement, T> read)
    {
        using var document = JsonDocument.Parse(text, Strict);
        return read(document.RootElement);
    }

    // None if all is well; a fault without a text is that of a line that is no line of a trail.
    private (long? At, string? Text)? TryRead(string text, Func<JsonElement, (long? At, string? Text)?> read)
    {
        try
        {
            return Parse(text, read);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            return (_kms.Length == 0 ? null : _chain.Sequence + 1, null);
        }
    }

    private (long? At, string? Text)? Begin(JsonElement header)
    {
        var from = header.GetProperty("from").GetInt64();
        var previous = Convert.FromHexString(header.GetProperty("previousHash").GetString()!);
        if (header.GetProperty("type").GetString() != "header" || from < 1 || previous.Length != SHA256.HashSizeInBytes || (from == 1 && previous.Any(b => b != 0)))
            return (null, CliMessages.TrailHeader());
        _kms = header.GetProperty("kms").GetString()!;
        _chain.Begin(from - 1, previous);
        _attested = from - 1;
        return null;
    }

    private (long? At, string? Text)? Follow(JsonElement line)
        => line.GetProperty("type").GetString() switch
        {
            "event" => FollowEvent(line),
            "checkpoint" => FollowCheckpoint(Checkpoint.Read(line)),
            _ => (_chain.Sequence + 1, null),
        };

    private (long? At, string? Text)? FollowEvent(JsonElement line)
    {
        var next = _chain.Sequence + 1;
        if (line.GetProperty("sequence").GetInt64() != next)
            return (next, CliMessages.TrailEventMissing(next));
        var hash = _chain.Add(Parts.Of(
            "efenvelope-audit-event-v1", _kms, next, Text(line, "time"), Text(line, "principal"), Text(line, "operation"), Text(line, "keyName"), Text(line, "keyId"),
            line.GetProperty("keyVersion") is { ValueKind: JsonValueKind.Number } version ? version.GetInt32() : null, Context(line.GetProperty("context")).AssociatedData.ToArray(),
            Text(line, "detail"), Text(line, "outcome"), Text(line, "errorKind"), Text(line, "rule"), Text(line, "correlationId"), Text(line, "node")));
        if (Convert.ToHexStringLower(hash) != Text(line, "hash") || !line.EnumerateObject().Select(p => p.Name).ToHashSet().SetEquals(EventFields))
            return (next, CliMessages.TrailEventAltered(next));
        _events++;
        return _expected is { } kept && kept.Kms == _kms && kept.Sequence == next && kept.Hash != Convert.ToHexStringLower(hash) ? (next, CliMessages.TrailExpected(next)) : null;
    }

    private (long? At, string? Text)? FollowCheckpoint(Checkpoint checkpoint)
    {
        if (checkpoint.Kms != _kms || checkpoint.Sequence != _chain.Sequence || checkpoint.Hash != Convert.ToHexStringLower(_chain.Hash) || !IsSigned(checkpoint))
            return (checkpoint.Sequence, CliMessages.TrailCheckpoint(checkpoint.Sequence));
        _checkpoints++;
        _attested = checkpoint.Sequence;
        return null;
    }

    private bool IsSigned(Checkpoint checkpoint)
        => _key.VerifyData(
            Parts.Of("efenvelope-audit-checkpoint-v1", checkpoint.Kms, checkpoint.Sequence, checkpoint.Time, Convert.FromHexString(checkpoint.Hash)),
            checkpoint.Signature,
            HashAlgorithmName.SHA256,
            DSASignatureFormat.Rfc3279DerSequence);

    private LocalKmsAuditReport Report(long? bad, string? fault) => new(fault is null, _events, _checkpoints, bad, fault);

    private static string? Text(JsonElement line, string name) => line.GetProperty(name).GetString();

    private static EncryptionContext Context(JsonElement pairs) => new(pairs.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, p.Value.GetString()!)));

    private sealed record Checkpoint(string Kms, long Sequence, string Time, string Hash, byte[] Signature)
    {
        public static Checkpoint Read(JsonElement line)
            => new(Text(line, "kms")!, line.GetProperty("sequence").GetInt64(), Text(line, "time")!, Text(line, "hash")!, line.GetProperty("signature").GetBytesFromBase64());
    }

    // Each event's hash is over that of the event before it.
    private sealed class SHA256Chain
    {
        public long Sequence { get; private set; }

        public byte[] Hash { get; private set; } = [];

        public void Begin(long sequence, byte[] hash) => (Sequence, Hash) = (sequence, hash);

        public byte[] Add(byte[] parts)
        {
            (Sequence, Hash) = (Sequence + 1, SHA256.HashData([.. Hash, .. parts]));
            return Hash;
        }
    }

    // part(x) = length as u32 big-endian, then x; null is the length 0xFFFFFFFF alone.
    private static class Parts
    {
        public static byte[] Of(params IEnumerable<object?> values)
        {
            using var stream = new MemoryStream();
            Span<byte> length = stackalloc byte[4];
            foreach (var value in values)
            {
                var bytes = value switch
                {
                    null => null,
                    byte[] raw => raw,
                    _ => Encoding.UTF8.GetBytes(Convert.ToString(value, CultureInfo.InvariantCulture)!),
                };
                BinaryPrimitives.WriteUInt32BigEndian(length, bytes is null ? uint.MaxValue : (uint)bytes.Length);
                stream.Write(length);
                stream.Write(bytes);
            }

            return stream.ToArray();
        }
    }
}
