using EfEnvelope.Kms.Vault;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Tests.Vault;

public sealed class VaultOptionsTests
{
    private static readonly VaultTransitOptions Options = new() { BaseAddress = new Uri("https://vault.example.org:8200") };

    [Fact]
    public void Mistakes_are_said_at_once()
    {
        VaultTransitOptions[] wrong =
        [
            Options with { BaseAddress = null },
            Options with { BaseAddress = new Uri("ftp://vault.example.org") },
            Options with { BaseAddress = new Uri("https://user:secret@vault.example.org") },
            Options with { BaseAddress = new Uri("http://vault.example.org:8200") },
            Options with { Mount = "" },
            Options with { Mount = "transit/" },
            Options with { Mount = "../sys" },
            Options with { Namespace = "a b" },
            Options with { Timeout = TimeSpan.Zero },
            Options with { MaxRetries = -1 },
        ];

        Assert.All(wrong, options => Assert.Throws<ArgumentException>(
            () => new EnvelopeOptionsBuilder().UseVaultTransit("clinic", VaultTokens.Fixed("hvs.x"), options)));
        Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseVaultTransit("clinic/other", VaultTokens.Fixed("hvs.x"), Options));
        Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseVaultTransit("not an address", "clinic"));
        Assert.Throws<ArgumentException>(() => VaultTokens.Fixed(" "));
        Assert.Throws<ArgumentException>(() => VaultTokens.AppRole("role", ""));
        Assert.Throws<ArgumentException>(() => VaultTokens.Kubernetes("role", "a/../b"));
    }

    [Fact]
    public void Builder_makes_a_client_of_the_named_key()
    {
        var builder = new EnvelopeOptionsBuilder().UseVaultTransit("https://vault.example.org:8200", "clinic", VaultTokens.Fixed("hvs.x"));

        var client = builder.Kms.Single().Create(new KmsServices(TimeProvider.System, NullLoggerFactory.Instance));

        Assert.Equal("vault-transit:transit/clinic", client.Kek.ToString());
    }

    [Fact]
    public void Plain_HTTP_is_for_this_machine_or_for_who_says_so()
    {
        new EnvelopeOptionsBuilder().UseVaultTransit("http://127.0.0.1:8200", "clinic");
        new EnvelopeOptionsBuilder().UseVaultTransit(
            "clinic", VaultTokens.Default, Options with { BaseAddress = new Uri("http://vault.mesh:8200"), AllowUnencryptedHttp = true });
    }

    [Fact]
    public void Equal_configurations_share_one_client()
    {
        VaultIdentity Identity(IVaultTokenSource tokens) => new("clinic", tokens, Options with { Namespace = "eu" });

        Assert.Equal(Identity(VaultTokens.AppRole("r", "s")), Identity(VaultTokens.AppRole("r", "s")));
        Assert.Equal(Identity(VaultTokens.AppRole("r", "s")).GetHashCode(), Identity(VaultTokens.AppRole("r", "s")).GetHashCode());
        Assert.NotEqual(Identity(VaultTokens.AppRole("r", "s")), Identity(VaultTokens.AppRole("r", "other")));
        Assert.NotEqual(Identity(VaultTokens.Fixed("t")), Identity(VaultTokens.FromFile("t")));
        Assert.NotEqual(Identity(VaultTokens.Default), Identity(VaultTokens.Default) with { KeyName = "other" });
    }

    [Fact]
    public void Secrets_are_not_printed()
    {
        IVaultTokenSource[] sources = [VaultTokens.Fixed("hunter2"), VaultTokens.AppRole("role", "hunter2")];

        Assert.All(sources, source => Assert.DoesNotContain("hunter2", $"{source} {new VaultIdentity("clinic", source, Options)}", StringComparison.Ordinal));
        Assert.DoesNotContain("hunter2", new VaultToken("hunter2", TimeSpan.FromHours(1)).ToString(), StringComparison.Ordinal);
    }
}
