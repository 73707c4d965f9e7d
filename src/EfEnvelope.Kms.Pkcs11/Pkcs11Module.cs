using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.InteropServices;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>
/// A PKCS#11 module as this process has loaded it: one per path, for good. Its state (initialized, logged in) belongs to the whole process, so nothing here ever
/// finalizes it or logs out.
/// </summary>
internal sealed class Pkcs11Module
{
    private static readonly ConcurrentDictionary<string, Pkcs11Module> Modules = new(StringComparer.Ordinal);
    private static readonly Lazy<bool> Resolver = new(SetResolver);

    private readonly string _path;
    private readonly Lock _loading = new();
    private readonly ConcurrentDictionary<string, Pkcs11Logins> _logins = new(StringComparer.Ordinal);
    private IPkcs11Library? _library;
    private string? _parameters;

    private Pkcs11Module(string path) => _path = path;

    public static Pkcs11Module Of(string path) => Modules.GetOrAdd(path, static p => new Pkcs11Module(p));

    public Pkcs11Logins LoginsOf(string token) => _logins.GetOrAdd(token, static t => new Pkcs11Logins(t));

    /// <summary>Finds the one token with the options' label. Looks each time: tokens come and go.</summary>
    public ISlot FindToken(Pkcs11Options options)
    {
        var label = options.TokenLabel;
        var library = Load(options.ModuleParameters);
        var slots = library.GetSlotList(SlotsType.WithTokenPresent).Where(slot => HasLabel(slot, label)).Take(2).ToList();
        return slots.Count switch
        {
            0 => throw new KmsException(KmsErrorKind.Unavailable, Pkcs11Messages.NoToken(label, _path)),
            1 => slots[0],
            _ => throw new KmsException(KmsErrorKind.InvalidRequest, Pkcs11Messages.TwoTokens(label, _path)),
        };
    }

    /// <summary>Initializes the module again at its next use: somebody else in the process has finalized it.</summary>
    public void Reload()
    {
        lock (_loading)
            _library = null;
    }

    private IPkcs11Library Load(string? parameters)
    {
        lock (_loading)
        {
            if (_library is not null)
            {
                return parameters == _parameters
                    ? _library
                    : throw new KmsException(KmsErrorKind.InvalidRequest, Pkcs11Messages.OtherModuleParameters(_path));
            }

            _ = Resolver.Value;
            try
            {
                _parameters = parameters;
                return _library = Pkcs11Calls.Load(_path, parameters);
            }
            catch (Pkcs11Exception e)
            {
                throw new KmsException(KmsErrorKind.Unavailable, Pkcs11Messages.ModuleRefused(_path, e.RV.ToString()), e);
            }
            catch (Exception e)
            {
                throw new KmsException(KmsErrorKind.InvalidRequest, Pkcs11Messages.NoModule(_path), e);
            }
        }
    }

    // A token that goes away between the list and the question is not the one.
    private static bool HasLabel(ISlot slot, string label)
    {
        try
        {
            return slot.GetTokenInfo().Label == label;
        }
        catch (Pkcs11Exception e) when (e.RV is CKR.CKR_TOKEN_NOT_PRESENT or CKR.CKR_TOKEN_NOT_RECOGNIZED or CKR.CKR_DEVICE_REMOVED or CKR.CKR_SLOT_ID_INVALID)
        {
            return false;
        }
    }

    // Pkcs11Interop loads modules through 'libdl', a name that on Linux only development packages bring. The loader is in libdl.so.2, or in the C library itself.
    private static bool SetResolver()
    {
        try
        {
            NativeLibrary.SetDllImportResolver(typeof(Pkcs11InteropFactories).Assembly, Resolve);
            return true;
        }
        catch (InvalidOperationException)
        {
            // The application has one of its own for this assembly.
            return false;
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != "libdl" || !OperatingSystem.IsLinux())
            return nint.Zero;
        foreach (var candidate in (string[])["libdl.so.2", "libc.so.6", "libc.so"])
        {
            if (NativeLibrary.TryLoad(candidate, out var handle))
                return handle;
        }

        return nint.Zero;
    }
}
