using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local;

/// <summary>
/// What opens an embedded KMS: a passphrase, a key file, or a KEK of another KMS or of a PKCS#11 token. The seal protects the root key, and the root key all KEKs, so that the
/// file alone tells nothing.
/// </summary>
/// <remarks>Two seals are equal when they are made of the same passphrase, of the same path, or of equal key wrappers. No seal prints its secret.</remarks>
public abstract class LocalKmsSeal
{
    private protected LocalKmsSeal()
    {
    }

    /// <summary>Gets what the file calls this kind of seal.</summary>
    internal abstract string Kind { get; }

    /// <summary>
    /// Seals by a passphrase, stretched with PBKDF2-HMAC-SHA512 in 600,000 iterations over a random salt. That takes about half a
    /// second, once, when the KMS is first used.
    /// </summary>
    /// <param name="passphrase">
    /// The passphrase, not empty. Its UTF-8 bytes are used as they are: no trimming, no Unicode normalization.
    /// </param>
    /// <returns>The seal.</returns>
    /// <exception cref="ArgumentException">The passphrase is empty or not valid Unicode.</exception>
    public static LocalKmsSeal Passphrase(string passphrase) => new PassphraseSeal(passphrase);

    /// <summary>Seals by a key file: 32 random bytes that only their owner may read. The file is read when the KMS is first used.</summary>
    /// <param name="path">The path, relative to the current directory if it is not absolute. The file must exist by then.</param>
    /// <returns>The seal.</returns>
    /// <remarks>
    /// Outside Windows the file is refused if its mode is wider than 0600. Keep it apart from the KMS file and its backups.
    /// </remarks>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    public static LocalKmsSeal KeyFile(string path) => new KeyFileSeal(path);

    /// <summary>Makes a new key file of 32 random bytes, outside Windows with mode 0600. Never replaces a file.</summary>
    /// <param name="path">The path, relative to the current directory if it is not absolute.</param>
    /// <returns>The seal, as from <see cref="KeyFile" />.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidRequest" />: the file exists, or its directory does not. <see cref="KmsErrorKind.AccessDenied" />: it
    /// cannot be written.
    /// </exception>
    public static LocalKmsSeal CreateKeyFile(string path)
    {
        var seal = new KeyFileSeal(path);
        seal.CreateFile();
        return seal;
    }

    /// <summary>
    /// Seals by a KEK of another KMS or of a PKCS#11 token, through the seam: it wraps a random key of 32 bytes that seals the root key, once for each
    /// seal, and unwraps it when the KMS is first used. Afterwards the other KMS is not asked again until the process restarts.
    /// </summary>
    /// <param name="wrapper">What wraps and unwraps. It is not disposed.</param>
    /// <returns>The seal.</returns>
    public static LocalKmsSeal KeyWrapper(IKeyWrapper wrapper) => new KeyWrapperSeal(wrapper);

    /// <summary>Chooses parameters for a new seal, as JSON.</summary>
    internal abstract ValueTask<string> NewParametersAsync(bool synchronous, CancellationToken cancellationToken);

    /// <summary>
    /// Derives the 32 bytes that seal the root key of <paramref name="store" />; returns whether the parameters may be this seal's own, which is known for
    /// certain only when the root key opens.
    /// </summary>
    internal abstract ValueTask<bool> TryDeriveKeyAsync(
        string parameters, string store, Memory<byte> key, bool synchronous, CancellationToken cancellationToken);

    /// <summary>Says that this seal does not open the store.</summary>
    internal abstract KmsException DoesNotOpen(string store);
}
