using System.Data.Common;
using System.Globalization;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>A connection string as its provider understands it, whatever synonyms it is spelled with and whatever was left to a default.</summary>
internal sealed class ConnectionSettings
{
    private readonly DbConnectionStringBuilder _parts;

    public ConnectionSettings(DbConnection connection)
    {
        try
        {
            _parts = DbProviderFactories.GetFactory(connection)?.CreateConnectionStringBuilder() ?? [];
            _parts.ConnectionString = connection.ConnectionString;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or NotSupportedException)
        {
            _parts = new DbConnectionStringBuilder { ConnectionString = connection.ConnectionString };
        }
    }

    /// <summary>Gets a setting by its names, the provider's own first; the others are for a connection that wraps the provider's.</summary>
    public string Get(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (_parts.TryGetValue(name, out var value) && Convert.ToString(value, CultureInfo.InvariantCulture) is { Length: > 0 } text)
                return text;
        }

        return "";
    }
}
