using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>A passphrase, stretched by PBKDF2-HMAC-SHA512.</summary>
internal sealed class PassphraseSeal : LocalKmsSeal
{
    /// <summary>How many iterations a new seal has. A later version may raise it.</summary>
    public const int DefaultIterations = 600_000;

    /// <summary>What every seal has at least, by all versions: fewer were written by another hand. It must never be raised.</summary>
    public const int MinimumIterations = 600_000;

    // Nobody writes more; a file that asks for more would only keep the processor busy.
    private const int MaximumIterations = 10_000_000;
    private const int SaltSize = 32;
    private const int MinimumSaltSize = 16;
    private const string Kdf = "pbkdf2-hmac-sha512";

    // Bytes as they are. Unicode normalization is a no-op where the application runs in invariant globalization mode, so the same
    // passphrase would open the file in one host and not in another.
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly string _passphrase;
    private readonly int _iterations;
    private readonly int _minimum;

    public PassphraseSeal(string passphrase)
        : this(passphrase, DefaultIterations)
    {
    }

    // Fewer iterations, written and accepted, are for tests alone.
    internal PassphraseSeal(string passphrase, int iterations)
    {
        Validate(passphrase);
        _passphrase = passphrase;
        (_iterations, _minimum) = (iterations, Math.Min(iterations, MinimumIterations));
    }

    internal override string Kind => "passphrase";

    /// <summary>Refuses a passphrase that is empty or not valid Unicode.</summary>
    public static void Validate(string passphrase)
    {
        if (string.IsNullOrEmpty(passphrase))
            throw new ArgumentException(LocalKmsMessages.EmptyPassphrase(), nameof(passphrase));
        try
        {
            _ = Utf8.GetByteCount(passphrase);
        }
        catch (EncoderFallbackException)
        {
            // Withheld, because it quotes characters of the passphrase.
            throw new ArgumentException(LocalKmsMessages.PassphraseNotUnicode(), nameof(passphrase));
        }
    }

    public override bool Equals(object? obj) => obj is PassphraseSeal other && other._passphrase == _passphrase && other._iterations == _iterations;

    // String hashes are seeded anew in each process, so this one tells nothing outside.
    public override int GetHashCode() => HashCode.Combine(_passphrase, _iterations);

    public override string ToString() => "LocalKmsSeal(passphrase)";

    internal override ValueTask<string> NewParametersAsync(bool synchronous, CancellationToken cancellationToken) => new(new JsonObject
    {
        ["kdf"] = Kdf,
        ["iterations"] = _iterations,
        ["salt"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(SaltSize)),
    }.ToJsonString());

    internal override ValueTask<bool> TryDeriveKeyAsync(
        string parameters, string store, Memory<byte> key, bool synchronous, CancellationToken cancellationToken)
    {
        DeriveKey(parameters, store, key.Span);
        return new(true);
    }

    internal override KmsException DoesNotOpen(string store)
        => new(KmsErrorKind.Unauthenticated, LocalKmsMessages.WrongPassphrase(store));

    private void DeriveKey(string parameters, string file, Span<byte> key)
    {
        var node = JsonNode.Parse(parameters)!;
        var iterations = node["iterations"]!.GetValue<int>();
        var salt = Convert.FromBase64String(node["salt"]!.GetValue<string>());
        if (node["kdf"]!.GetValue<string>() != Kdf || salt.Length < MinimumSaltSize || iterations > MaximumIterations)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file));
        if (iterations < _minimum)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.WeakSeal(file, iterations, _minimum));

        var bytes = Utf8.GetBytes(_passphrase);
        try
        {
            Rfc2898DeriveBytes.Pbkdf2(bytes, salt, key, iterations, HashAlgorithmName.SHA512);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
