using System.Security.Cryptography;

namespace EfEnvelope.Kms.Tests.Azure;

/// <summary>A key of a vault with its versions, the newest last.</summary>
internal sealed class KeyVaultKey(string name, Func<KeyVaultVersion> create)
{
    private readonly List<KeyVaultVersion> _versions = [create()];

    public string Name => name;

    public IReadOnlyList<KeyVaultVersion> Versions => _versions;

    public KeyVaultVersion Newest => _versions[^1];

    public void Rotate() => _versions.Add(create());
}

/// <summary>One version: an RSA key of a vault, or an AES key of a Managed HSM.</summary>
internal sealed class KeyVaultVersion(RSA? rsa, byte[]? aes)
{
    public string Id { get; set; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    public bool Enabled { get; set; } = true;

    public long? NotBefore { get; set; }

    public long? Expires { get; set; }

    public RSA? Rsa => rsa;

    public byte[]? Aes => aes;
}
