namespace EfEnvelope.Kms.Pkcs11;

/// <summary>Which token keeps the KEKs, and how it is used. Two are equal when all of their parts are. Prints no PIN.</summary>
public sealed record Pkcs11Options
{
    /// <summary>Gets the path of the vendor's PKCS#11 module, such as <c>/usr/lib/softhsm/libsofthsm2.so</c>.</summary>
    public required string ModulePath { get; init; }

    /// <summary>
    /// Gets the text that the module is started with, for modules that need one: <c>configdir='sql:/etc/clinic/nss'</c> for NSS. A process
    /// starts a module once, so all tokens of one module have the same parameters.
    /// </summary>
    /// <value>The default is <see langword="null" />: the module has a configuration of its own.</value>
    public string? ModuleParameters { get; init; }

    /// <summary>Gets the token's label. Exactly one token that the module shows must have it.</summary>
    public required string TokenLabel { get; init; }

    /// <summary>Gets where the PIN of the token's user comes from.</summary>
    public required Pkcs11Pin Pin { get; init; }

    /// <summary>
    /// Gets how many sessions are open at most, and so how many calls the token gets at once from one client; other callers wait without a thread.
    /// </summary>
    /// <value>The default is 8.</value>
    public int MaxSessions { get; init; } = 8;

    /// <summary>
    /// Gets how long a caller waits for a session and for the token's answer together. A call that began goes on in the module, which cannot be stopped.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate()
    {
        if (string.IsNullOrWhiteSpace(ModulePath))
            throw new ArgumentException(Pkcs11Messages.EmptyModulePath(), nameof(ModulePath));
        if (ModuleParameters is { } text && (string.IsNullOrWhiteSpace(text) || text.Contains('\0', StringComparison.Ordinal)))
            throw new ArgumentException(Pkcs11Messages.MalformedModuleParameters(), nameof(ModuleParameters));
        // A token's label is 32 bytes, padded with blanks.
        if (string.IsNullOrWhiteSpace(TokenLabel) || System.Text.Encoding.UTF8.GetByteCount(TokenLabel) > 32 || TokenLabel.Any(char.IsControl))
            throw new ArgumentException(Pkcs11Messages.MalformedTokenLabel(TokenLabel), nameof(TokenLabel));
        if (Pin is null)
            throw new ArgumentException(Pkcs11Messages.NoPin(TokenLabel), nameof(Pin));
        if (MaxSessions is < 1 or > 1024)
            throw new ArgumentException(Pkcs11Messages.MaxSessionsOutOfRange(MaxSessions), nameof(MaxSessions));
        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromHours(1))
            throw new ArgumentException(Pkcs11Messages.TimeoutOutOfRange(Timeout), nameof(Timeout));
    }
}
