using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>One engine that encrypts and decrypts randomized values. All store the same bytes.</summary>
internal sealed class EncryptionEngine(string name, Action<EnvelopeOptionsBuilder> use)
{
    public const string Default = "platform";

    private static readonly EncryptionEngine[] All =
    [
        new(Default, _ => { }),
        new("sodium", builder => builder.UseSodium()),
    ];

    public static EncryptionEngine Find(string name)
        => All.FirstOrDefault(e => e.Name == name) ?? throw new EnvelopeConfigurationException(CliMessages.UnknownEngine(name, All.Select(e => e.Name)));

    public string Name => name;

    /// <summary>Configures the encryption of a database.</summary>
    /// <exception cref="EnvelopeConfigurationException">The engine cannot be used here.</exception>
    public void Use(EnvelopeOptionsBuilder builder)
    {
        try
        {
            use(builder);
        }
        catch (EnvelopeConfigurationException e)
        {
            // How to mend it is told to programmers there: by a call that no user of the tool makes.
            throw new EnvelopeConfigurationException(CliMessages.EngineNotUsable(Failure.FirstSentence(e.Message), Default));
        }
    }
}
