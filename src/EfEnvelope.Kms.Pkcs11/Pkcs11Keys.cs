using System.Buffers.Binary;
using System.Security.Cryptography;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>
/// The key objects of one KEK: all AES keys with its label. Each is a version, named by its id (CKA_ID) in hexadecimal; the one with the highest id, read as a
/// big-endian number, is primary.
/// </summary>
internal static class Pkcs11Keys
{
    /// <summary>Finds the key object that wraps now. Looks each time: another process may have made one.</summary>
    public static (IObjectHandle Key, string Version) FindPrimary(ISession session, string label, KekUri kek)
    {
        var versions = FindAll(session, label, kek);
        if (versions.Count == 0)
            throw new KmsException(KmsErrorKind.NotFound, Pkcs11Messages.NoKey(kek));
        var primary = versions.Max(v => v.Id)!;
        var keys = versions.Where(v => v.Id.CompareTo(primary) == 0).ToList();
        return keys.Count == 1
            ? (keys[0].Key, primary.ToString())
            : throw new KmsException(KmsErrorKind.InvalidRequest, Pkcs11Messages.KeyNotUnique(kek, primary.ToString()));
    }

    /// <summary>Finds the key object with an id.</summary>
    public static IObjectHandle Find(ISession session, string label, byte[] id, KekUri kek)
    {
        var attributes = session.Factories.ObjectAttributeFactory;
        var keys = FindWhere(session, [.. Template(session, label), attributes.Create(CKA.CKA_ID, id)]);
        var version = new Pkcs11KeyId(id).ToString();
        return keys.Count switch
        {
            1 => keys[0],
            > 1 => throw new KmsException(KmsErrorKind.InvalidRequest, Pkcs11Messages.KeyNotUnique(kek, version)),
            _ => throw new KmsException(
                KmsErrorKind.NotFound,
                FindWhere(session, Template(session, label)).Count == 0 ? Pkcs11Messages.NoKey(kek) : Pkcs11Messages.NoKeyVersion(kek, version)),
        };
    }

    /// <summary>Makes a key object that becomes primary: AES-256, made on the token, sensitive, never to leave it.</summary>
    public static string Create(ISession session, string label, KekUri kek, DateTimeOffset now)
    {
        var attributes = session.Factories.ObjectAttributeFactory;
        var id = Pkcs11KeyId.After(FindAll(session, label, kek).Max(v => v.Id), now);
        List<IObjectAttribute> template =
        [
            .. Template(session, label),
            attributes.Create(CKA.CKA_ID, id.Bytes),
            attributes.Create(CKA.CKA_TOKEN, true),
            attributes.Create(CKA.CKA_PRIVATE, true),
            attributes.Create(CKA.CKA_VALUE_LEN, 32),
            attributes.Create(CKA.CKA_SENSITIVE, true),
            attributes.Create(CKA.CKA_EXTRACTABLE, false),
            attributes.Create(CKA.CKA_ENCRYPT, true),
            attributes.Create(CKA.CKA_DECRYPT, true),
            attributes.Create(CKA.CKA_WRAP, false),
            attributes.Create(CKA.CKA_UNWRAP, false),
            attributes.Create(CKA.CKA_SIGN, false),
            attributes.Create(CKA.CKA_VERIFY, false),
            attributes.Create(CKA.CKA_DERIVE, false),
        ];
        try
        {
            using var mechanism = session.Factories.MechanismFactory.Create(CKM.CKM_AES_KEY_GEN);
            session.GenerateKey(mechanism, template);
            return id.ToString();
        }
        finally
        {
            template.ForEach(a => a.Dispose());
        }
    }

    /// <summary>Reads whether a key object encrypts and decrypts, and whether it could leave the token.</summary>
    public static (bool MayWrap, bool MayUnwrap, bool MayLeave) Read(ISession session, IObjectHandle key)
    {
        var values = session.GetAttributeValue(key, [CKA.CKA_ENCRYPT, CKA.CKA_DECRYPT, CKA.CKA_SENSITIVE, CKA.CKA_EXTRACTABLE]);
        try
        {
            return (Is(values[0], false), Is(values[1], false), !Is(values[2], true) || Is(values[3], false));
        }
        finally
        {
            values.ForEach(a => a.Dispose());
        }

        static bool Is(IObjectAttribute attribute, bool otherwise) => attribute.CannotBeRead ? otherwise : attribute.GetValueAsBool();
    }

    private static List<(IObjectHandle Key, Pkcs11KeyId Id)> FindAll(ISession session, string label, KekUri kek)
    {
        var found = new List<(IObjectHandle, Pkcs11KeyId)>();
        foreach (var key in FindWhere(session, Template(session, label)))
        {
            using var id = session.GetAttributeValue(key, [CKA.CKA_ID])[0];
            if (id.CannotBeRead || id.GetValueAsByteArray() is not { Length: > 0 } bytes)
                throw new KmsException(KmsErrorKind.InvalidRequest, Pkcs11Messages.KeyWithoutId(kek));
            found.Add((key, new Pkcs11KeyId(bytes)));
        }

        return found;
    }

    private static List<IObjectHandle> FindWhere(ISession session, List<IObjectAttribute> template)
    {
        try
        {
            return session.FindAllObjects(template);
        }
        finally
        {
            template.ForEach(a => a.Dispose());
        }
    }

    private static List<IObjectAttribute> Template(ISession session, string label)
    {
        var attributes = session.Factories.ObjectAttributeFactory;
        return
        [
            attributes.Create(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY), attributes.Create(CKA.CKA_KEY_TYPE, CKK.CKK_AES), attributes.Create(CKA.CKA_LABEL, label),
        ];
    }
}

/// <summary>A key object's id as a version: bytes that are compared as a big-endian number.</summary>
internal sealed class Pkcs11KeyId(byte[] bytes) : IComparable<Pkcs11KeyId>
{
    public byte[] Bytes => bytes;

    // The time in milliseconds, then chance, so that two who make a key at once, or on two tokens, do not make the same id; or the next number after the
    // highest one, whatever the clock says.
    public static Pkcs11KeyId After(Pkcs11KeyId? highest, DateTimeOffset now)
    {
        var id = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(id, now.ToUnixTimeMilliseconds() << 16);
        RandomNumberGenerator.Fill(id.AsSpan(6));
        var fresh = new Pkcs11KeyId(id);
        if (highest is null || fresh.CompareTo(highest) > 0)
            return fresh;
        byte[] next = [.. highest.Bytes];
        for (var i = next.Length - 1; i >= 0; i--)
        {
            if (++next[i] != 0)
                return new Pkcs11KeyId(next);
        }

        return new Pkcs11KeyId([1, .. next]);
    }

    public int CompareTo(Pkcs11KeyId? other)
    {
        if (other is null)
            return 1;
        var left = bytes.AsSpan().TrimStart((byte)0);
        var right = other.Bytes.AsSpan().TrimStart((byte)0);
        return left.Length != right.Length ? left.Length.CompareTo(right.Length) : left.SequenceCompareTo(right);
    }

    public override string ToString() => Convert.ToHexStringLower(bytes);
}
