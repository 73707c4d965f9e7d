using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Local.Sealing;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

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
    private static readonly HashSet<Type> LeftOut = [typeof(SealRow), typeof(ImportRow)];

    private static ReadOnlySpan<byte> Magic => "EKBK"u8;

    /// <summary>Reads all rows into the plain content. The caller zeroes it.</summary>
    public static async Task<byte[]> ReadAsync(KmsDbContext db, RootKey root, CancellationToken cancellationToken)
    {
        db.ChangeTracker.QueryTrackingBehavior = QueryTrackingBehavior.NoTracking;
        var tables = new JsonObject();
        foreach (var type in Tables(db))
        {
            var rows = new JsonArray();
            foreach (var row in await RowsAsync(db, type.ClrType, cancellationToken).ConfigureAwait(false))
            {
                var node = new JsonObject();
                foreach (var property in type.GetProperties())
                    node[property.GetColumnName()] = ToNode(property.GetGetter().GetClrValue(row));
                rows.Add(node);
            }

            tables[type.GetTableName()!] = rows;
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
    public static (RootKey Root, Action<KmsDbContext> Fill) Parse(ReadOnlySpan<byte> content)
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

    private static void Fill(KmsDbContext db, JsonObject tables)
    {
        foreach (var type in Tables(db).Where(t => tables.ContainsKey(t.GetTableName()!)))
        {
            foreach (var node in tables[type.GetTableName()!]!.AsArray())
            {
                var row = Activator.CreateInstance(type.ClrType, nonPublic: true)!;
                foreach (var property in type.GetProperties().Where(p => node!.AsObject().ContainsKey(p.GetColumnName())))
                    property.PropertyInfo!.SetValue(row, FromNode(node![property.GetColumnName()], property.ClrType));
                db.Add(row);
            }
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

    private static IEnumerable<IEntityType> Tables(KmsDbContext db)
        => db.Model.GetEntityTypes().Where(t => !LeftOut.Contains(t.ClrType)).OrderBy(t => t.GetTableName(), StringComparer.Ordinal);

    private static async Task<List<object>> RowsAsync(KmsDbContext db, Type type, CancellationToken cancellationToken)
    {
        var set = (IQueryable<object>)typeof(DbContext).GetMethod(nameof(DbContext.Set), 1, Type.EmptyTypes)!.MakeGenericMethod(type).Invoke(db, null)!;
        return await set.ToListAsync(cancellationToken).ConfigureAwait(false);
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

    private static object? FromNode(JsonNode? node, Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return node switch
        {
            null => null,
            _ when type == typeof(byte[]) => Convert.FromBase64String(node.GetValue<string>()),
            _ when type == typeof(DateTimeOffset) => DateTimeOffset.Parse(node.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture),
            _ when type == typeof(string) => node.GetValue<string>(),
            _ when type == typeof(bool) => node.GetValue<bool>(),
            _ when type.IsEnum => Enum.ToObject(type, node.GetValue<long>()),
            _ => Convert.ChangeType(node.GetValue<long>(), type, System.Globalization.CultureInfo.InvariantCulture),
        };
    }
}
