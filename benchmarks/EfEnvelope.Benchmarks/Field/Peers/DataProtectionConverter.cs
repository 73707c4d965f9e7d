using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption.ConfigurationModel;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.DependencyInjection;

namespace EfEnvelope.Benchmarks.Field.Peers;

/// <summary>ASP.NET Core Data Protection with a purpose for the column, stored as bytes: its text API is slower and a third longer.</summary>
internal sealed class DataProtectionConverter
{
    private readonly IDataProtector _protector;

    /// <summary>Makes one.</summary>
    /// <param name="algorithm">How it encrypts, or <see langword="null" /> for its default: AES-256-CBC and HMAC-SHA256.</param>
    public DataProtectionConverter(EncryptionAlgorithm? algorithm = null)
    {
        var services = new ServiceCollection();
        var builder = services.AddDataProtection();
        if (algorithm is { } known)
            builder.UseCryptographicAlgorithms(new AuthenticatedEncryptorConfiguration { EncryptionAlgorithm = known });
        services.Configure<KeyManagementOptions>(o => o.XmlRepository = new InMemoryRepository());
        _protector = services.BuildServiceProvider().GetRequiredService<IDataProtectionProvider>().CreateProtector(Samples.Column);
    }

    public byte[] Seal(string value) => _protector.Protect(Encoding.UTF8.GetBytes(value));

    public string Open(byte[] stored) => Encoding.UTF8.GetString(_protector.Unprotect(stored));

    private sealed class InMemoryRepository : IXmlRepository
    {
        private readonly List<XElement> _elements = [];

        public IReadOnlyCollection<XElement> GetAllElements() => [.. _elements];

        public void StoreElement(XElement element, string friendlyName) => _elements.Add(element);
    }
}
