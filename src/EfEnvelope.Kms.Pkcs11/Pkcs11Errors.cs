using Net.Pkcs11Interop.Common;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>What a token's return codes mean.</summary>
internal static class Pkcs11Errors
{
    /// <summary>Whether a code says that a session, a login or an object handle is gone, so that the same call may succeed in a new session.</summary>
    public static bool IsStale(CKR code) => IsSessionGone(code) || code is
        CKR.CKR_KEY_HANDLE_INVALID or CKR.CKR_OBJECT_HANDLE_INVALID or CKR.CKR_OPERATION_ACTIVE or CKR.CKR_OPERATION_NOT_INITIALIZED
        or CKR.CKR_USER_NOT_LOGGED_IN or CKR.CKR_DEVICE_ERROR;

    /// <summary>Whether all sessions of the token are gone; closing one of them could close a new one that got the same handle.</summary>
    public static bool IsSessionGone(CKR code) => code is
        CKR.CKR_SESSION_HANDLE_INVALID or CKR.CKR_SESSION_CLOSED or CKR.CKR_CRYPTOKI_NOT_INITIALIZED
        or CKR.CKR_DEVICE_REMOVED or CKR.CKR_TOKEN_NOT_PRESENT or CKR.CKR_TOKEN_NOT_RECOGNIZED or CKR.CKR_SLOT_ID_INVALID;

    /// <summary>Whether a login was refused, so that the same PIN must never be sent again: tokens lock themselves after a few.</summary>
    public static bool IsPinRefused(CKR code) => code is
        CKR.CKR_PIN_INCORRECT or CKR.CKR_PIN_INVALID or CKR.CKR_PIN_LEN_RANGE;

    // SoftHSM says GENERAL_ERROR for a tag that does not fit, opencryptoki ENCRYPTED_DATA_INVALID, others FUNCTION_FAILED: of C_Decrypt alone they all mean
    // the ciphertext.
    public static bool IsCiphertextRefused(Pkcs11Exception e) => e.Method == "C_Decrypt" && e.RV is
        CKR.CKR_GENERAL_ERROR or CKR.CKR_FUNCTION_FAILED or CKR.CKR_ENCRYPTED_DATA_INVALID or CKR.CKR_ENCRYPTED_DATA_LEN_RANGE or CKR.CKR_DATA_INVALID
        or CKR.CKR_DATA_LEN_RANGE or CKR.CKR_SIGNATURE_INVALID or CKR.CKR_ARGUMENTS_BAD
        || e.RV == AeadDecryptFailed;

    // Since PKCS#11 3.0, which the library does not name yet.
    private const CKR AeadDecryptFailed = (CKR)0x42;

    public static KmsException ToKmsException(Exception e, KekUri kek) => e switch
    {
        KmsException known => known,
        Pkcs11Exception refused => FromCode(refused, kek),
        _ => new KmsException(KmsErrorKind.Unavailable, Pkcs11Messages.CallFailed(kek), e),
    };

    private static KmsException FromCode(Pkcs11Exception e, KekUri kek)
    {
        var code = e.RV.ToString();
        return e.RV switch
        {
            // NSS says so of an AES key that may not encrypt or decrypt, and no other key is ever found.
            CKR.CKR_KEY_TYPE_INCONSISTENT when e.Method is "C_EncryptInit" or "C_DecryptInit"
                => new(KmsErrorKind.Disabled, Pkcs11Messages.KeyNotPermitted(kek, code), e),
            CKR.CKR_KEY_FUNCTION_NOT_PERMITTED => new(KmsErrorKind.Disabled, Pkcs11Messages.KeyNotPermitted(kek, code), e),
            CKR.CKR_ACTION_PROHIBITED or CKR.CKR_FUNCTION_REJECTED => new(KmsErrorKind.AccessDenied, Pkcs11Messages.KeyNotPermitted(kek, code), e),
            CKR.CKR_MECHANISM_INVALID or CKR.CKR_MECHANISM_PARAM_INVALID or CKR.CKR_KEY_TYPE_INCONSISTENT or CKR.CKR_KEY_SIZE_RANGE
                => new(KmsErrorKind.InvalidRequest, Pkcs11Messages.KeyNotSuitable(kek, code), e),
            CKR.CKR_TOKEN_WRITE_PROTECTED or CKR.CKR_SESSION_READ_ONLY or CKR.CKR_TEMPLATE_INCONSISTENT or CKR.CKR_TEMPLATE_INCOMPLETE
                or CKR.CKR_ATTRIBUTE_TYPE_INVALID or CKR.CKR_ATTRIBUTE_VALUE_INVALID or CKR.CKR_ATTRIBUTE_READ_ONLY
                => new(KmsErrorKind.InvalidRequest, Pkcs11Messages.ReadOnly(kek, code), e),
            CKR.CKR_SESSION_COUNT => new(KmsErrorKind.Throttled, Pkcs11Messages.TooManySessions(kek, code), e),
            CKR.CKR_HOST_MEMORY or CKR.CKR_DEVICE_MEMORY or CKR.CKR_GENERAL_ERROR or CKR.CKR_FUNCTION_FAILED or CKR.CKR_FUNCTION_CANCELED
                => new(KmsErrorKind.Unavailable, Pkcs11Messages.Unavailable(kek, e.Method, code), e),
            _ when IsStale(e.RV) => new(KmsErrorKind.Unavailable, Pkcs11Messages.Unavailable(kek, e.Method, code), e),
            _ => new(KmsErrorKind.InvalidRequest, Pkcs11Messages.Refused(kek, e.Method, code), e),
        };
    }
}
