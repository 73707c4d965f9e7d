namespace EfEnvelope.Kms;

/// <summary>One wrapped copy of a key: under which KEK, and the bytes its service returned.</summary>
/// <param name="Kek">The KEK that wrapped this copy.</param>
/// <param name="KekVersion">The KEK's version as the service names it, or <see langword="null" /> when the ciphertext carries it.</param>
/// <param name="Ciphertext">The wrapped key, opaque to all but its service.</param>
public sealed record WrappedKeyCopy(KekUri Kek, string? KekVersion, ReadOnlyMemory<byte> Ciphertext)
{
    /// <inheritdoc />
    public override string ToString() => $"WrappedKeyCopy({Kek}{(KekVersion is null ? "" : $" version {KekVersion}")})";
}
