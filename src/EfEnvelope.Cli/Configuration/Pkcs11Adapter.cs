using EfEnvelope.Kms;
using EfEnvelope.Kms.Pkcs11;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>A PKCS#11 token: its label and the key's are in the KEK, as RFC 7512 writes them; module and PIN are settings.</summary>
internal sealed class Pkcs11Adapter : IKmsAdapter
{
    private const string Example = "token=clinic;object=kek";

    public string Type => "pkcs11";

    public string Scheme => "pkcs11";

    public IReadOnlyList<string> Settings { get; } = ["module", "moduleParameters", .. KmsSettings.SecretSettings("pin")];

    public IReadOnlyList<string> Secrets { get; } = ["pin"];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        var (token, label) = Parse(this.Require(key, Example));
        var module = settings.FindFile("module") ?? throw this.Missing("module");
        var pin = settings.FindSecret("pin") is { } text ? Pkcs11Pin.Of(text) : throw this.Missing("pin");
        this.Guard(() => builder.UsePkcs11(label, new Pkcs11Options
        {
            ModulePath = module,
            ModuleParameters = settings.Find("moduleParameters"),
            TokenLabel = token,
            Pin = pin,
        }));
        return new ConfiguredKek(new KekUri(Scheme, $"token={Uri.EscapeDataString(token)};object={Uri.EscapeDataString(label)}"));
    }

    private (string Token, string Label) Parse(string key)
    {
        var parts = key.Split(';').Select(p => p.Split('=', 2)).Where(p => p.Length == 2).ToLookup(p => p[0], p => Uri.UnescapeDataString(p[1]));
        return key.Split(';').Length == 2 && parts["token"].ToList() is [{ Length: > 0 } token] && parts["object"].ToList() is [{ Length: > 0 } label]
            ? (token, label)
            : throw new EnvelopeConfigurationException(CliMessages.KekMissing(Type, $"{Scheme}:{Example}"));
    }
}
