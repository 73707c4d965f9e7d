using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>The login of this process to one token, which all of its sessions share. One login at a time, and a PIN that was refused is never sent again.</summary>
internal sealed class Pkcs11Logins(string token)
{
    private readonly Lock _one = new();
    private readonly byte[] _salt = RandomNumberGenerator.GetBytes(32);
    private readonly HashSet<string> _refused = [];

    public void Ensure(ISession session, Pkcs11Pin source, ILogger logger)
    {
        if (IsLoggedIn(session))
            return;
        lock (_one)
        {
            if (IsLoggedIn(session))
                return;
            var pin = Read(source);
            try
            {
                LogIn(session, pin, logger);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(pin);
            }
        }
    }

    private static bool IsLoggedIn(ISession session)
        => session.GetSessionInfo().State is CKS.CKS_RO_USER_FUNCTIONS or CKS.CKS_RW_USER_FUNCTIONS;

    private byte[] Read(Pkcs11Pin source)
    {
        string pin;
        try
        {
            // This is a thread of its own (see Pkcs11Sessions): nothing starves while the PIN is asked for.
            pin = source.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            throw new KmsException(KmsErrorKind.Unauthenticated, Pkcs11Messages.PinNotGiven(token), e);
        }

        return string.IsNullOrEmpty(pin)
            ? throw new KmsException(KmsErrorKind.Unauthenticated, Pkcs11Messages.PinNotGiven(token))
            : Encoding.UTF8.GetBytes(pin);
    }

    private void LogIn(ISession session, byte[] pin, ILogger logger)
    {
        // By a keyed digest: a refused PIN may be the right one of another token.
        var digest = Convert.ToHexString(HMACSHA256.HashData(_salt, pin));
        if (_refused.Contains(digest))
            throw new KmsException(KmsErrorKind.Unauthenticated, Pkcs11Messages.PinRefused(token, nameof(CKR.CKR_PIN_INCORRECT)));
        try
        {
            session.Login(CKU.CKU_USER, pin);
            Pkcs11Log.TokenLoggedIn(logger, token);
        }
        catch (Pkcs11Exception e) when (e.RV == CKR.CKR_USER_ALREADY_LOGGED_IN)
        {
        }
        catch (Pkcs11Exception e) when (Pkcs11Errors.IsPinRefused(e.RV))
        {
            _refused.Add(digest);
            Pkcs11Log.PinRefused(logger, token, e.RV.ToString());
            throw new KmsException(KmsErrorKind.Unauthenticated, Pkcs11Messages.PinRefused(token, e.RV.ToString()), e);
        }
        catch (Pkcs11Exception e) when (e.RV is CKR.CKR_PIN_LOCKED or CKR.CKR_PIN_EXPIRED or CKR.CKR_USER_PIN_NOT_INITIALIZED)
        {
            throw new KmsException(KmsErrorKind.AccessDenied, Pkcs11Messages.PinLocked(token, e.RV.ToString()), e);
        }
        catch (Pkcs11Exception e) when (e.RV is CKR.CKR_USER_ANOTHER_ALREADY_LOGGED_IN or CKR.CKR_USER_TOO_MANY_TYPES)
        {
            throw new KmsException(KmsErrorKind.AccessDenied, Pkcs11Messages.OtherUserLoggedIn(token), e);
        }
    }
}
