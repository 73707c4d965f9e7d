using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>A file of 32 random bytes; HKDF-SHA512 makes of them another key for each KMS.</summary>
internal sealed class KeyFileSeal : LocalKmsSeal
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int Size = 32;
    private const string Kdf = "hkdf-sha512";

    private readonly string _path;

    public KeyFileSeal(string path)
    {
        if (string.IsNullOrEmpty(path))
            throw new ArgumentException(LocalKmsMessages.EmptyKeyFilePath(), nameof(path));
        _path = Path.GetFullPath(path);
    }

    internal override string Kind => "key-file";

    private static ReadOnlySpan<byte> Info => "efenvelope local kms key-file seal"u8;

    public override bool Equals(object? obj) => obj is KeyFileSeal other && other._path == _path;

    public override int GetHashCode() => _path.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => $"LocalKmsSeal(key file '{_path}')";

    public void CreateFile()
    {
        if (File.Exists(_path))
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyFileExists(_path));

        if (!Directory.Exists(Path.GetDirectoryName(_path)))
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyFileDirectoryMissing(_path));

        // Written aside and then moved, so that nobody ever reads half a key and no file is replaced.
        var aside = $"{_path}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}.tmp";
        var key = RandomNumberGenerator.GetBytes(Size);
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = OwnerOnly;
            using (var stream = new FileStream(aside, options))
            {
                stream.Write(key);
                stream.Flush(flushToDisk: true);
            }

            File.Move(aside, _path, overwrite: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(aside);
            throw File.Exists(_path)
                ? new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyFileExists(_path), e)
                : new KmsException(KmsErrorKind.AccessDenied, LocalKmsMessages.KeyFileUnreadable(_path), e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    internal override ValueTask<string> NewParametersAsync(bool synchronous, CancellationToken cancellationToken) => new(new JsonObject
    {
        ["kdf"] = Kdf,
        ["salt"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(Size)),
    }.ToJsonString());

    internal override ValueTask<bool> TryDeriveKeyAsync(
        string parameters, string store, Memory<byte> key, bool synchronous, CancellationToken cancellationToken)
    {
        DeriveKey(parameters, store, key.Span);
        return new(true);
    }

    internal override KmsException DoesNotOpen(string store)
        => new(KmsErrorKind.Unauthenticated, LocalKmsMessages.WrongKeyFile(store, _path));

    private void DeriveKey(string parameters, string file, Span<byte> key)
    {
        var node = JsonNode.Parse(parameters)!;
        var salt = Convert.FromBase64String(node["salt"]!.GetValue<string>());
        if (node["kdf"]!.GetValue<string>() != Kdf)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file));

        Span<byte> secret = stackalloc byte[Size];
        try
        {
            Read(secret);
            HKDF.DeriveKey(HashAlgorithmName.SHA512, secret, key, salt, Info);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private void Read(Span<byte> secret)
    {
        try
        {
            using var handle = File.OpenHandle(_path);

            // Asked of the open handle, so that the file that is checked is the file that is read.
            if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(handle) is var mode && (mode & ~OwnerOnly) != 0)
            {
                throw new KmsException(
                    KmsErrorKind.Unauthenticated, LocalKmsMessages.KeyFileTooOpen(_path, Convert.ToString((int)mode, 8).PadLeft(4, '0')));
            }

            if (RandomAccess.GetLength(handle) != Size
                || RandomAccess.Read(handle, secret, 0) != Size
                || secret.IndexOfAnyExcept(secret[0]) < 0)
            {
                throw new KmsException(KmsErrorKind.Unauthenticated, LocalKmsMessages.KeyFileMalformed(_path));
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new KmsException(KmsErrorKind.Unauthenticated, LocalKmsMessages.NoKeyFile(_path), e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KmsException(KmsErrorKind.Unauthenticated, LocalKmsMessages.KeyFileUnreadable(_path), e);
        }
    }
}
