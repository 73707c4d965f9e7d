using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>All rows of a KMS and its root key in one encrypted file, the same whatever the store is.</summary>
internal static class KmsBackup
{
    private const byte Version = 1;
    private const int Iterations = 600_000;
    private const int SaltSize = 32;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int HeaderSize = 4 + 1 + SaltSize + NonceSize;

    // Seals are not copied: the restored store has the seal it is restored with. Wrapping keys of imports live a day.
    private static readonly IReadOnlyList<KmsTable> Tables =
        [.. KmsTables.All.Where(t => t != KmsTables.Seals && t != KmsTables.Imports).OrderBy(t => t.Name, StringComparer.Ordinal)];

    private static ReadOnlySpan<byte> Magic => "EKBK"u8;

    /// <summary>Reads all rows into the plain content. The caller zeroes it.</summary>
    public static async Task<byte[]> ReadAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
    {
        var tables = new JsonObject();
        foreach (var table in Tables)
        {
            var rows = new JsonArray();
            foreach (var values in await db.ListAsync(table, cancellationToken).ConfigureAwait(false))
            {
                var node = new JsonObject();
                for (var i = 0; i < values.Length; i++)
                    node[table.Columns[i].Name] = ToNode(values[i]);
                rows.Add(node);
            }

            tables[table.Name] = rows;
        }

        var content = new JsonObject
        {
            ["format"] = MetaRow.KnownFormat,
            ["kms"] = root.KmsId,
            ["root"] = root.Use(Convert.ToBase64String),
            ["tables"] = tables,
        };
        return JsonSerializer.SerializeToUtf8Bytes(content);
    }

    //  +--------------+--------------+----------+----------+----------------+---------+
    //  | magic "EKBK" | version 0x01 | salt 32  | nonce 12 | ciphertext     | tag 16  |
    //  +--------------+--------------+----------+----------+----------------+---------+
    //  |<------------------ header 49 ------------------->|
    // AES-256-GCM over the JSON content, under PBKDF2-HMAC-SHA512 of the passphrase in 600,000 iterations; associated data: the header.
    public static byte[] Seal(ReadOnlySpan<byte> content, string passphrase)
    {
        var bytes = new byte[HeaderSize + content.Length + TagSize];
        Magic.CopyTo(bytes);
        bytes[4] = Version;
        RandomNumberGenerator.Fill(bytes.AsSpan(5, SaltSize + NonceSize));
        using var aes = CipherOf(bytes, passphrase);
        aes.Encrypt(
            bytes.AsSpan(5 + SaltSize, NonceSize),
            content,
            bytes.AsSpan(HeaderSize, content.Length),
            bytes.AsSpan(bytes.Length - TagSize),
            bytes.AsSpan(0, HeaderSize));
        return bytes;
    }

    /// <summary>Reads a file to its end, if it begins like a backup: what is something else may have no end.</summary>
    public static async Task<byte[]> ReadFileAsync(Stream source, CancellationToken cancellationToken)
    {
        using var file = new MemoryStream();
        var header = new byte[HeaderSize];
        var read = await source.ReadAtLeastAsync(header, HeaderSize, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        if (read < HeaderSize || !header.AsSpan().StartsWith(Magic) || header[4] != Version)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NotABackup());
        file.Write(header);
        await source.CopyToAsync(file, cancellationToken).ConfigureAwait(false);
        return file.ToArray();
    }

    /// <summary>Opens the content. The caller zeroes it.</summary>
    public static byte[] Open(ReadOnlySpan<byte> bytes, string passphrase)
    {
        if (bytes.Length < HeaderSize + TagSize || !bytes.StartsWith(Magic) || bytes[4] != Version)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NotABackup());
        var content = new byte[bytes.Length - HeaderSize - TagSize];
        using var aes = CipherOf(bytes, passphrase);
        try
        {
            aes.Decrypt(
                bytes.Slice(5 + SaltSize, NonceSize), bytes[HeaderSize..^TagSize], bytes[^TagSize..], content, bytes[..HeaderSize]);
            return content;
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.BackupRefused());
        }
    }

    /// <summary>Reads the content wholly before anything is written: its root key, and what adds its rows.</summary>
    public static (RootKey Root, Action<KmsSession> Fill) Parse(ReadOnlySpan<byte> content)
    {
        var node = JsonNode.Parse(content)!;
        if (node["format"]!.GetValue<int>() > MetaRow.KnownFormat)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NotABackup());
        var key = Convert.FromBase64String(node["root"]!.GetValue<string>());
        try
        {
            return (RootKey.Of(node["kms"]!.GetValue<string>(), key), db => Fill(db, node["tables"]!.AsObject()));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static void Fill(KmsSession db, JsonObject tables)
    {
        foreach (var table in Tables.Where(t => tables.ContainsKey(t.Name)))
        {
            foreach (var node in tables[table.Name]!.AsArray())
                db.Add(table.Read(new KmsValues([.. table.Columns.Select(c => node!.AsObject().ContainsKey(c.Name) ? FromNode(node[c.Name], c.Type) : c.Default)])));
        }
    }

    private static AesGcm CipherOf(ReadOnlySpan<byte> bytes, string passphrase)
    {
        Span<byte> key = stackalloc byte[SealedBytes.KeySize];
        var secret = Encoding.UTF8.GetBytes(passphrase);
        try
        {
            Rfc2898DeriveBytes.Pbkdf2(secret, bytes.Slice(5, SaltSize), key, Iterations, HashAlgorithmName.SHA512);
            return new AesGcm(key, TagSize);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static JsonValue? ToNode(object? value) => value switch
    {
        null => null,
        byte[] bytes => JsonValue.Create(Convert.ToBase64String(bytes)),
        DateTimeOffset time => JsonValue.Create(time.ToString("O")),
        string text => JsonValue.Create(text),
        bool flag => JsonValue.Create(flag),
        _ => JsonValue.Create(Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture)),
    };

    private static object? FromNode(JsonNode? node, Type type) => node switch
    {
        null => null,
        _ when type == typeof(byte[]) => Convert.FromBase64String(node.GetValue<string>()),
        _ when type == typeof(DateTimeOffset) => DateTimeOffset.Parse(node.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture),
        _ when type == typeof(string) => node.GetValue<string>(),
        _ when type == typeof(bool) => node.GetValue<bool>(),
        _ => Convert.ChangeType(node.GetValue<long>(), type, System.Globalization.CultureInfo.InvariantCulture),
    };
}
