using System.Security.Cryptography;
using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>
/// A KEK whose private half lies elsewhere, in a safe: what is wrapped under its public key can be unwrapped only where somebody brings the private one, when
/// every other KMS is lost.
/// </summary>
internal sealed class RecoveryKey : IKeyWrapper, IInProcessKeyWrapper, IOfflineKeyWrapper, IDisposable
{
    public const string Scheme = "recovery";

    private const int SmallestModulus = 3072;
    private static readonly RSAEncryptionPadding Padding = RSAEncryptionPadding.OaepSHA256;

    private readonly Lock _gate = new();
    private readonly RSA _rsa;

    /// <summary>Reads a key: public to wrap, or private to recover.</summary>
    /// <exception cref="ArgumentException">It is no RSA key of 3072 bits or more.</exception>
    public RecoveryKey(string pem)
    {
        _rsa = RSA.Create();
        try
        {
            _rsa.ImportFromPem(pem);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            // What is wrong may be quoted from a private key: the cause is withheld.
            _rsa.Dispose();
            throw new ArgumentException(Messages.MalformedRecoveryKey(SmallestModulus), nameof(pem));
        }

        if (_rsa.KeySize < SmallestModulus)
        {
            _rsa.Dispose();
            throw new ArgumentException(Messages.MalformedRecoveryKey(SmallestModulus), nameof(pem));
        }

        CanUnwrap = HasPrivateKey(_rsa);
        Kek = new KekUri(Scheme, Convert.ToHexStringLower(SHA256.HashData(_rsa.ExportSubjectPublicKeyInfo()).AsSpan(0, 16)));
    }

    public KekUri Kek { get; }

    public bool CanUnwrap { get; }

    public bool IsInProcess => true;

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => new(Wrap(key, context, cancellationToken));

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => new(Unwrap(wrapped, context, cancellationToken));

    public WrappedKeyCopy Wrap(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        WrappableKey.Require(Kek, key);
        var bound = BoundKey.Join(key.Span, context);
        try
        {
            lock (_gate)
                return new WrappedKeyCopy(Kek, null, _rsa.Encrypt(bound, Padding));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bound);
        }
    }

    public byte[] Unwrap(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (wrapped.Kek != Kek)
            throw new KmsException(KmsErrorKind.WrongKey, Messages.OtherRecoveryKey(wrapped.Kek, Kek));
        if (!CanUnwrap)
            throw new KmsException(KmsErrorKind.AccessDenied, Messages.RecoveryKeyIsOffline(Kek));
        try
        {
            byte[] bound;
            lock (_gate)
                bound = _rsa.Decrypt(wrapped.Ciphertext.Span, Padding);
            if (BoundKey.TrySplit(bound, context, out var key))
                return key;
        }
        catch (CryptographicException)
        {
        }

        throw new KmsException(KmsErrorKind.InvalidCiphertext, Messages.RecoveryCopyRefused(Kek));
    }

    public ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
        => new(new KekDescription(Kek, KekState.Enabled) { Protection = CanUnwrap ? "private key at hand" : "offline" });

    public void Dispose() => _rsa.Dispose();

    public override string ToString() => $"RecoveryKey({Kek})";

    private static bool HasPrivateKey(RSA rsa)
    {
        try
        {
            var parameters = rsa.ExportParameters(includePrivateParameters: true);
            foreach (var part in (byte[]?[])[parameters.D, parameters.P, parameters.Q, parameters.DP, parameters.DQ, parameters.InverseQ])
                CryptographicOperations.ZeroMemory(part);
            return parameters.D is not null;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
