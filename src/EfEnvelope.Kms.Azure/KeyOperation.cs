using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace EfEnvelope.Kms.Azure;

/// <summary>The bodies of wrapKey, unwrapKey, encrypt and decrypt: values in Base64Url without padding. Nothing is kept in strings, which cannot be zeroed.</summary>
internal static class KeyOperation
{
    public static byte[] Write(string algorithm, ReadOnlySpan<byte> value, ReadOnlySpan<byte> iv = default, ReadOnlySpan<byte> tag = default, ReadOnlySpan<byte> aad = default)
    {
        var buffer = new ArrayBufferWriter<byte>(256 + (4 * (value.Length + iv.Length + tag.Length + aad.Length) / 3));
        buffer.Write(Encoding.ASCII.GetBytes($"{{\"alg\":\"{algorithm}\""));
        Append(buffer, ",\"value\":\""u8, value);
        Append(buffer, ",\"iv\":\""u8, iv);
        Append(buffer, ",\"tag\":\""u8, tag);
        Append(buffer, ",\"aad\":\""u8, aad);
        buffer.Write("}"u8);
        var body = buffer.WrittenSpan.ToArray();
        buffer.Clear();
        return body;
    }

    /// <summary>Reads an answer and zeroes it.</summary>
    /// <exception cref="JsonException">It is not an answer.</exception>
    public static KeyOperationAnswer Read(byte[] body)
    {
        try
        {
            string? kid = null;
            byte[]? value = null, iv = null, tag = null;
            var reader = new Utf8JsonReader(body);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                throw new JsonException();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.GetString();
                reader.Read();
                switch (name)
                {
                    case "kid":
                        kid = reader.GetString();
                        break;
                    case "value":
                        value = Decode(ref reader);
                        break;
                    case "iv":
                        iv = Decode(ref reader);
                        break;
                    case "tag":
                        tag = Decode(ref reader);
                        break;
                    default:
                        reader.Skip();
                        break;
                }
            }

            return new KeyOperationAnswer(kid, value ?? throw new JsonException(), iv, tag);
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException)
        {
            throw new JsonException();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(body);
        }
    }

    private static byte[] Decode(ref Utf8JsonReader reader)
        => reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped ? Base64Url.DecodeFromUtf8(reader.ValueSpan) : throw new JsonException();

    private static void Append(ArrayBufferWriter<byte> buffer, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
            return;
        buffer.Write(name);
        var length = Base64Url.GetEncodedLength(value.Length);
        Base64Url.EncodeToUtf8(value, buffer.GetSpan(length));
        buffer.Advance(length);
        buffer.Write("\""u8);
    }
}

/// <summary>What the service answers; <c>Value</c> may be a plaintext, which who reads it zeroes.</summary>
internal readonly record struct KeyOperationAnswer(string? Kid, byte[] Value, byte[]? Iv, byte[]? Tag)
{
    public override string ToString() => $"KeyOperationAnswer({Kid})";
}
