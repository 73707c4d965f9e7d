using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;
using Net.Pkcs11Interop.HighLevelAPI.Factories;
using Api40 = Net.Pkcs11Interop.LowLevelAPI40;
using Api41 = Net.Pkcs11Interop.LowLevelAPI41;
using Api80 = Net.Pkcs11Interop.LowLevelAPI80;
using Api81 = Net.Pkcs11Interop.LowLevelAPI81;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>A call that writes its result into a buffer, and says how long the result is or has to be.</summary>
internal delegate CKR Pkcs11Call(byte[] result, ref ulong length);

/// <summary>
/// Calls that Pkcs11Interop's high-level part makes in another way than we need, over its low-level part, of which there is one for each
/// layout of C's structures. As the factory of sessions it knows the library that they belong to.
/// </summary>
internal sealed class Pkcs11Calls : ISessionFactory
{
    private const int LongestResult = 64 * 1024;

    private readonly SessionFactory _sessions = new();
    private LowLevelPkcs11Library? _library;

    private delegate CKR Init<T>(ref T mechanism);

    private delegate CKR ShortCall(byte[] result, ref uint length);

    ISession ISessionFactory.Create(Pkcs11InteropFactories factories, LowLevelPkcs11Library pkcs11Library, ulong sessionId)
    {
        _library = pkcs11Library;
        return _sessions.Create(factories, pkcs11Library, sessionId);
    }

    /// <summary>Loads and starts a module.</summary>
    /// <param name="path">The module.</param>
    /// <param name="parameters">What <c>C_Initialize</c> gets as its reserved pointer, or <see langword="null" />.</param>
    public static IPkcs11Library Load(string path, string? parameters)
    {
        var factories = new Pkcs11InteropFactories(null, null, new Pkcs11Calls(), null, null, null, null);

        // The high-level part cannot give parameters, but takes a module that has been started.
        using var started = parameters is null ? null : Start(path, parameters);
        return factories.Pkcs11LibraryFactory.LoadPkcs11Library(factories, path, AppType.MultiThreaded);
    }

    /// <summary>Encrypts in one part.</summary>
    /// <param name="session">The session.</param>
    /// <param name="mechanism">The mechanism with its parameters.</param>
    /// <param name="key">The key object.</param>
    /// <param name="data">The plaintext.</param>
    /// <param name="size">How long the ciphertext is, with its tag. The module is not asked: NSS does not count the tag.</param>
    public static byte[] Encrypt(ISession session, IMechanism mechanism, IObjectHandle key, byte[] data, int size)
    {
        var (id, own, length) = (session.SessionId, key.ObjectId, data.Length);
        var (init, call) = LibraryOf(session) switch
        {
            Api40.Pkcs11Library l => Of<Api40.CK_MECHANISM>(
                (ref m) => l.C_EncryptInit((uint)id, ref m, (uint)own), (r, ref n) => l.C_Encrypt((uint)id, data, (uint)length, r, ref n)),
            Api41.Pkcs11Library l => Of<Api41.CK_MECHANISM>(
                (ref m) => l.C_EncryptInit((uint)id, ref m, (uint)own), (r, ref n) => l.C_Encrypt((uint)id, data, (uint)length, r, ref n)),
            Api80.Pkcs11Library l => Of<Api80.CK_MECHANISM>(
                (ref m) => l.C_EncryptInit(id, ref m, own), (r, ref n) => l.C_Encrypt(id, data, (ulong)length, r, ref n)),
            Api81.Pkcs11Library l => Of<Api81.CK_MECHANISM>(
                (ref m) => l.C_EncryptInit(id, ref m, own), (r, ref n) => l.C_Encrypt(id, data, (ulong)length, r, ref n)),
            var other => throw new NotSupportedException(other.GetType().FullName),
        };
        Require("C_EncryptInit", init(mechanism.ToMarshalableStructure()));
        return Fill("C_Encrypt", call, size);
    }

    /// <summary>Decrypts in one part, into a buffer that is as long as the ciphertext.</summary>
    /// <param name="session">The session.</param>
    /// <param name="mechanism">The mechanism with its parameters.</param>
    /// <param name="key">The key object.</param>
    /// <param name="data">The ciphertext.</param>
    public static byte[] Decrypt(ISession session, IMechanism mechanism, IObjectHandle key, byte[] data)
    {
        var (id, own, length) = (session.SessionId, key.ObjectId, data.Length);
        var (init, call) = LibraryOf(session) switch
        {
            Api40.Pkcs11Library l => Of<Api40.CK_MECHANISM>(
                (ref m) => l.C_DecryptInit((uint)id, ref m, (uint)own), (r, ref n) => l.C_Decrypt((uint)id, data, (uint)length, r, ref n)),
            Api41.Pkcs11Library l => Of<Api41.CK_MECHANISM>(
                (ref m) => l.C_DecryptInit((uint)id, ref m, (uint)own), (r, ref n) => l.C_Decrypt((uint)id, data, (uint)length, r, ref n)),
            Api80.Pkcs11Library l => Of<Api80.CK_MECHANISM>(
                (ref m) => l.C_DecryptInit(id, ref m, own), (r, ref n) => l.C_Decrypt(id, data, (ulong)length, r, ref n)),
            Api81.Pkcs11Library l => Of<Api81.CK_MECHANISM>(
                (ref m) => l.C_DecryptInit(id, ref m, own), (r, ref n) => l.C_Decrypt(id, data, (ulong)length, r, ref n)),
            var other => throw new NotSupportedException(other.GetType().FullName),
        };
        Require("C_DecryptInit", init(mechanism.ToMarshalableStructure()));
        return Fill("C_Decrypt", call, length);
    }

    /// <summary>
    /// Makes a call with a buffer, and once more with a longer one when the module asks for it. Buffers that are not returned are zeroed.
    /// </summary>
    internal static byte[] Fill(string method, Pkcs11Call call, int size)
    {
        var result = new byte[size];
        try
        {
            var length = (ulong)size;
            var code = call(result, ref length);
            if (code == CKR.CKR_BUFFER_TOO_SMALL && length > (ulong)size && length <= LongestResult)
            {
                CryptographicOperations.ZeroMemory(result);
                result = new byte[length];
                code = call(result, ref length);
            }

            Require(method, code);
            return length <= (ulong)result.Length ? result[..(int)length] : throw new Pkcs11Exception(method, CKR.CKR_GENERAL_ERROR);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(result);
        }
    }

    private static IDisposable Start(string path, string parameters)
    {
        // Not freed: the module may keep the pointer.
        var reserved = Marshal.StringToCoTaskMemUTF8(parameters);
        var (library, code) = (Platform.NativeULongSize, Platform.StructPackingSize) switch
        {
            (4, 0) => Use(
                new Api40.Pkcs11Library(path), l => l.C_Initialize(new() { Flags = CKF.CKF_OS_LOCKING_OK, Reserved = reserved })),
            (4, _) => Use(
                new Api41.Pkcs11Library(path), l => l.C_Initialize(new() { Flags = CKF.CKF_OS_LOCKING_OK, Reserved = reserved })),
            (_, 0) => Use(
                new Api80.Pkcs11Library(path), l => l.C_Initialize(new() { Flags = CKF.CKF_OS_LOCKING_OK, Reserved = reserved })),
            _ => Use(
                new Api81.Pkcs11Library(path), l => l.C_Initialize(new() { Flags = CKF.CKF_OS_LOCKING_OK, Reserved = reserved })),
        };
        try
        {
            if (code != CKR.CKR_CRYPTOKI_ALREADY_INITIALIZED)
                Require("C_Initialize", code);
            return library;
        }
        catch (Pkcs11Exception)
        {
            library.Dispose();
            throw;
        }

        static (IDisposable, CKR) Use<T>(T library, Func<T, CKR> initialize)
            where T : IDisposable
            => (library, initialize(library));
    }

    private static LowLevelPkcs11Library LibraryOf(ISession session) => ((Pkcs11Calls)session.Factories.SessionFactory)._library!;

    private static (Func<object, CKR> Init, Pkcs11Call Call) Of<T>(Init<T> init, Pkcs11Call call)
        => (mechanism =>
        {
            var own = (T)mechanism;
            return init(ref own);
        }, call);

    private static (Func<object, CKR> Init, Pkcs11Call Call) Of<T>(Init<T> init, ShortCall call)
        => Of(init, (byte[] result, ref ulong length) =>
        {
            var own = (uint)length;
            var code = call(result, ref own);
            length = own;
            return code;
        });

    private static void Require(string method, CKR code)
    {
        if (code != CKR.CKR_OK)
            throw new Pkcs11Exception(method, code);
    }
}
