using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>One KEK of a token as the seam sees it.</summary>
internal sealed class Pkcs11KeyWrapper : IKeyWrapper, IDisposable, IAsyncDisposable
{
    //  +------------+----------+------------+----------+
    //  | 0x01 (1 B) | IV 12 B  | ciphertext | tag 16 B |   CKM_AES_GCM by C_Encrypt; the context's canonical bytes are the associated data
    //  +------------+----------+------------+----------+
    // The first byte names the mechanism. It must never change: stored keys are wrapped like this.
    private const byte AesGcm = 0x01;
    private const int IvSize = 12;
    private const int TagSize = 16;
    private const int Overhead = 1 + IvSize + TagSize;

    private readonly Pkcs11KeyName _name;
    private readonly Pkcs11Options _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public Pkcs11KeyWrapper(string keyLabel, Pkcs11Options options, TimeProvider time, ILogger logger)
    {
        _name = new Pkcs11KeyName(options.TokenLabel, keyLabel);
        _options = options;
        _time = time;
        _logger = logger;
        Kek = _name.ToKekUri();
        Sessions = new Pkcs11Sessions(options, Kek, time, logger);
    }

    public KekUri Kek { get; }

    internal Pkcs11Sessions Sessions { get; }

    public async ValueTask<WrappedKeyCopy> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => Wrapped(await Sessions.RunAsync(Wrapping(key, context), null, cancellationToken).ConfigureAwait(false));

    public WrappedKeyCopy Wrap(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => Wrapped(Sessions.Run(Wrapping(key, context), null, cancellationToken));

    public async ValueTask<byte[]> UnwrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => Unwrapped(wrapped, await Sessions.RunAsync(Unwrapping(wrapped, context), Forget, cancellationToken).ConfigureAwait(false));

    public byte[] Unwrap(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => Unwrapped(wrapped, Sessions.Run(Unwrapping(wrapped, context), Forget, cancellationToken));

    public ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
        => Sessions.RunAsync(
            session =>
            {
                var (key, version) = Pkcs11Keys.FindPrimary(session, _name.Object, Kek);
                var (mayWrap, mayUnwrap, mayLeave) = Pkcs11Keys.Read(session, key);
                var model = Pkcs11Module.Of(_options.ModulePath).FindToken(_options).GetTokenInfo().Model;
                return new KekDescription(Kek, mayWrap && mayUnwrap ? KekState.Enabled : KekState.Disabled)
                {
                    PrimaryVersion = version,
                    Protection = mayLeave ? $"{model}, EXTRACTABLE" : model,
                };
            },
            null,
            cancellationToken);

    public async ValueTask<string> CreateKeyAsync(CancellationToken cancellationToken)
    {
        var version = await Sessions.RunAsync(
            session =>
            {
                // The login is the process's, so this session has it too. It alone may write.
                using var writing = Pkcs11Module.Of(_options.ModulePath).FindToken(_options).OpenSession(SessionType.ReadWrite);
                return Pkcs11Keys.Create(writing, _name.Object, Kek, _time.GetUtcNow());
            },
            null,
            cancellationToken).ConfigureAwait(false);
        Pkcs11Log.KekCreated(_logger, version, Kek);
        return version;
    }

    public void Dispose() => Sessions.Dispose();

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    public override string ToString() => $"Pkcs11KeyWrapper({Kek})";

    private Func<ISession, (byte[] Wrapped, string Version)> Wrapping(ReadOnlyMemory<byte> key, EncryptionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        WrappableKey.Require(Kek, key);
        var associatedData = context.AssociatedData.ToArray();
        return session => Encrypt(session, key, associatedData);
    }

    private WrappedKeyCopy Wrapped((byte[] Bytes, string Version) wrapped)
    {
        Pkcs11Log.KeyWrapped(_logger, wrapped.Version, Kek);
        return new WrappedKeyCopy(Kek, wrapped.Version, wrapped.Bytes);
    }

    private Func<ISession, byte[]> Unwrapping(WrappedKeyCopy wrapped, EncryptionContext context)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        ArgumentNullException.ThrowIfNull(context);
        var (label, id) = Read(wrapped);
        var (associatedData, ciphertext) = (context.AssociatedData.ToArray(), wrapped.Ciphertext.ToArray());
        return session => Decrypt(session, wrapped.Kek, label, id, ciphertext, associatedData);
    }

    private byte[] Unwrapped(WrappedKeyCopy wrapped, byte[] key)
    {
        Pkcs11Log.KeyUnwrapped(_logger, wrapped.KekVersion!, wrapped.Kek);
        return key;
    }

    private static void Forget(byte[] key) => CryptographicOperations.ZeroMemory(key);

    // Nothing is sent that the token could not open: tokens differ in what they do with less than a tag, and one of them leaves the session unusable.
    private (string Label, byte[] Id) Read(WrappedKeyCopy wrapped)
    {
        if (!Pkcs11KeyName.TryParse(wrapped.Kek, out var name) || name.Value.Token != _name.Token)
            throw new KmsException(KmsErrorKind.WrongKey, Pkcs11Messages.ForeignKek(wrapped.Kek, Kek));
        if (wrapped.Ciphertext.Length is < Overhead + WrappableKey.MinimumSize or > Overhead + WrappableKey.MaximumSize || wrapped.Ciphertext.Span[0] != AesGcm)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, Pkcs11Messages.WrappedKeyRefused(wrapped.Kek));
        try
        {
            if (wrapped.KekVersion is { Length: > 0 } version)
                return (name.Value.Object, Convert.FromHexString(version));
        }
        catch (FormatException)
        {
        }

        throw new KmsException(KmsErrorKind.InvalidCiphertext, Pkcs11Messages.WrappedKeyRefused(wrapped.Kek));
    }

    private (byte[] Wrapped, string Version) Encrypt(ISession session, ReadOnlyMemory<byte> key, byte[] associatedData)
    {
        var (kek, version) = Pkcs11Keys.FindPrimary(session, _name.Object, Kek);
        var iv = RandomNumberGenerator.GetBytes(IvSize);
        var plaintext = key.ToArray();
        try
        {
            using var parameters = session.Factories.MechanismParamsFactory.CreateCkGcmParams(iv, IvSize * 8, associatedData, TagSize * 8);
            using var mechanism = session.Factories.MechanismFactory.Create(CKM.CKM_AES_GCM, parameters);
            return ([AesGcm, .. iv, .. Pkcs11Calls.Encrypt(session, mechanism, kek, plaintext, plaintext.Length + TagSize)], version);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plaintext);
        }
    }

    private static byte[] Decrypt(ISession session, KekUri kek, string label, byte[] id, byte[] wrapped, byte[] associatedData)
    {
        var key = Pkcs11Keys.Find(session, label, id, kek);
        try
        {
            using var parameters = session.Factories.MechanismParamsFactory.CreateCkGcmParams(
                wrapped[1..(1 + IvSize)], IvSize * 8, associatedData, TagSize * 8);
            using var mechanism = session.Factories.MechanismFactory.Create(CKM.CKM_AES_GCM, parameters);
            return Pkcs11Calls.Decrypt(session, mechanism, key, wrapped[(1 + IvSize)..]);
        }
        catch (Pkcs11Exception e) when (Pkcs11Errors.IsCiphertextRefused(e))
        {
            throw new KmsException(KmsErrorKind.InvalidCiphertext, Pkcs11Messages.WrappedKeyRefused(kek), e);
        }
    }
}
