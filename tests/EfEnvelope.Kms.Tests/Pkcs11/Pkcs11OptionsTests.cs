using EfEnvelope.Kms.Pkcs11;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Tests.Pkcs11;

public sealed class Pkcs11OptionsTests
{
    private static readonly Pkcs11Options Options = new() { ModulePath = "/usr/lib/module.so", TokenLabel = "clinic", Pin = Pkcs11Pin.Of("hunter2-hunter2") };

    [Fact]
    public void Mistakes_are_said_at_once()
    {
        Pkcs11Options[] wrong =
        [
            Options with { ModulePath = "" },
            Options with { ModuleParameters = " " },
            Options with { ModuleParameters = "configdir\0" },
            Options with { TokenLabel = " " },
            Options with { TokenLabel = new string('x', 33) },
            Options with { Pin = null! },
            Options with { MaxSessions = 0 },
            Options with { Timeout = TimeSpan.Zero },
        ];

        Assert.All(wrong, options => Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UsePkcs11("kek", options)));
        Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UsePkcs11("", Options));
        Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UsePkcs11("/usr/lib/module.so", "clinic", "kek", ""));
    }

    [Fact]
    public void Builder_makes_a_client_of_the_named_key()
    {
        var builder = new EnvelopeOptionsBuilder().UsePkcs11("/usr/lib/module.so", "clinic", "kek", "1234");

        var client = builder.Kms.Single().Create(new KmsServices(TimeProvider.System, NullLoggerFactory.Instance));

        Assert.Equal("pkcs11:token=clinic;object=kek", client.Kek.ToString());
    }

    [Fact]
    public void Equal_configurations_share_one_client()
    {
        var same = Options with { Pin = Pkcs11Pin.Of("hunter2-hunter2") };

        Assert.Equal(new Pkcs11Identity("kek", Options), new Pkcs11Identity("kek", same));
        Assert.Equal(new Pkcs11Identity("kek", Options).GetHashCode(), new Pkcs11Identity("kek", same).GetHashCode());
        Assert.NotEqual(new Pkcs11Identity("kek", Options), new Pkcs11Identity("kek", Options with { Pin = Pkcs11Pin.Of("other") }));
        Assert.NotEqual(new Pkcs11Identity("kek", Options), new Pkcs11Identity("other", Options));
        Assert.NotEqual(new Pkcs11Identity("kek", Options), new Pkcs11Identity("kek", Options with { ModuleParameters = "configdir=x" }));
        Assert.NotEqual(Pkcs11Pin.Of("/pin"), Pkcs11Pin.FromFile("/pin"));
    }

    [Fact]
    public void PIN_is_not_printed()
        => Assert.DoesNotContain("hunter2", $"{new Pkcs11Identity("kek", Options)} {Options} {Options.Pin}", StringComparison.Ordinal);

    [Fact]
    public void KEK_URI_is_that_of_RFC_7512()
        => Assert.Equal(
            "pkcs11:token=my%20token%3B1;object=k%C3%A4k%3D%25",
            Pkcs11Kms.CreateKeyWrapper("käk=%", Options with { TokenLabel = "my token;1" }).Kek.ToString());
}
