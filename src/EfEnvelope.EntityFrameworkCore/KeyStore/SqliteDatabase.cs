using System.Data.Common;
using System.Runtime.CompilerServices;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>Tells SQLite databases apart by what their connection strings name: a file, a shared database in memory, or one that its connection keeps to itself.</summary>
internal static class SqliteDatabase
{
    private const string DataDirectory = "|DataDirectory|";

    private static readonly ConditionalWeakTable<DbConnection, object> PrivateDatabases = [];

    public static object Identify(DbConnection connection)
    {
        var settings = new ConnectionSettings(connection);
        var source = settings.Get("Data Source", "DataSource", "Filename");
        var isMemory = string.Equals(settings.Get("Mode"), "Memory", StringComparison.OrdinalIgnoreCase);
        var isShared = string.Equals(settings.Get("Cache"), "Shared", StringComparison.OrdinalIgnoreCase) && source is not ("" or ":memory:");
        var isUri = source.StartsWith("file:", StringComparison.OrdinalIgnoreCase);
        if (isUri)
        {
            var uri = source.Split('?', 2);
            var query = uri.Length == 2 ? uri[1].Split('#')[0].Split('&') : [];
            isMemory |= uri[0] is "file:" or "file::memory:" || query.Contains("mode=memory") || query.Contains("vfs=memdb");
            isShared |= query.Contains("cache=shared") || query.Contains("vfs=memdb");
            if (!isMemory)
                source = PathOf(uri[0]["file:".Length..].Split('#')[0]);
        }

        // Two rings for one database are a small waste; one ring for two would be a loss of rows. In doubt a database is private.
        if ((isMemory || source is "" or ":memory:") && !isShared)
            return PrivateDatabases.GetOrCreateValue(connection);
        return isMemory ? $"Sqlite|memory {source}" : $"Sqlite|{Path.GetFullPath(isUri ? source : WithDataDirectory(source))}";
    }

    // SQLite takes a path after 'file:', or after 'file://' and no host or 'localhost'.
    private static string PathOf(string uri)
    {
        var path = uri.StartsWith("//", StringComparison.Ordinal) && uri.IndexOf('/', 2) is > 0 and var begin ? uri[begin..] : uri;
        return Uri.UnescapeDataString(path);
    }

    // As Microsoft.Data.Sqlite does when it opens a file.
    private static string WithDataDirectory(string source)
        => AppDomain.CurrentDomain.GetData("DataDirectory") is not string { Length: > 0 } directory
            ? source
            : source.StartsWith(DataDirectory, StringComparison.OrdinalIgnoreCase)
                ? Path.Combine(directory, source[DataDirectory.Length..])
                : Path.IsPathRooted(source) ? source : Path.Combine(directory, source);
}
