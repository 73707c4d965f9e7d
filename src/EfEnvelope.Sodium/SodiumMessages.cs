namespace EfEnvelope.Sodium;

/// <summary>All texts that users of libsodium read.</summary>
internal static class SodiumMessages
{
    public static string NotAvailable()
        => "AES-256-GCM of libsodium is not available here: it needs a processor with AES instructions (AES-NI and PCLMUL on x64, the Crypto Extensions on Arm64). "
            + "Remove 'UseSodium()' to encrypt with the platform: the stored bytes are the same.";

    public static string NotLoaded()
        => "The native library libsodium could not be loaded. Publish for a runtime that the package 'libsodium' has (linux, linux-musl, osx, win), "
            + "or remove 'UseSodium()' to encrypt with the platform: the stored bytes are the same.";
}
