namespace EfEnvelope.Kms.Pkcs11;

/// <summary>
/// Where the PIN of a token's user comes from. It is asked for when this process logs in, which is once, unless the token forgets the login. Two are equal when
/// they give the same PIN for the same reason. Prints no PIN.
/// </summary>
public sealed class Pkcs11Pin : IEquatable<Pkcs11Pin>
{
    private readonly string _kind;
    private readonly object _identity;
    private readonly Func<CancellationToken, ValueTask<string>> _read;

    private Pkcs11Pin(string kind, object identity, Func<CancellationToken, ValueTask<string>> read)
    {
        _kind = kind;
        _identity = identity;
        _read = read;
    }

    /// <summary>A PIN that is known, from a secret store or the environment.</summary>
    /// <param name="pin">The PIN.</param>
    /// <returns>The source.</returns>
    /// <exception cref="ArgumentException">The PIN is empty.</exception>
    public static Pkcs11Pin Of(string pin)
        => string.IsNullOrEmpty(pin)
            ? throw new ArgumentException(Pkcs11Messages.EmptyPin(), nameof(pin))
            : new Pkcs11Pin("text", pin, _ => new ValueTask<string>(pin));

    /// <summary>A PIN in a file, such as a mounted secret; line ends at its end do not count. It is read at each login.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The source.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    public static Pkcs11Pin FromFile(string path)
        => string.IsNullOrWhiteSpace(path)
            ? throw new ArgumentException(Pkcs11Messages.EmptyPinFile(), nameof(path))
            : new Pkcs11Pin("file", path, async cancellation => (await File.ReadAllTextAsync(path, cancellation).ConfigureAwait(false)).TrimEnd('\r', '\n'));

    /// <summary>A PIN that is asked for at each login.</summary>
    /// <param name="ask">Returns the PIN. Two sources are equal when they have the very same delegate: keep it in a field.</param>
    /// <returns>The source.</returns>
    public static Pkcs11Pin Ask(Func<CancellationToken, ValueTask<string>> ask)
    {
        ArgumentNullException.ThrowIfNull(ask);
        return new Pkcs11Pin("asked", ask, ask);
    }

    /// <inheritdoc />
    public bool Equals(Pkcs11Pin? other) => other is not null && _kind == other._kind && _identity.Equals(other._identity);

    /// <inheritdoc />
    public override bool Equals(object? obj) => Equals(obj as Pkcs11Pin);

    // Without the PIN itself: a hash code may be printed.
    /// <inheritdoc />
    public override int GetHashCode() => _kind.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc />
    public override string ToString() => $"Pkcs11Pin({_kind})";

    internal ValueTask<string> ReadAsync(CancellationToken cancellationToken) => _read(cancellationToken);
}
