using System.Data.Common;
using System.Runtime.CompilerServices;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>Tells SQLite databases apart by their connection strings: a file, a shared database in memory, or one that its connection keeps to itself.</summary>
internal static class SqliteDatabase
{
    private static readonly ConditionalWeakTable<DbConnection, object> PrivateDatabases = [];

    public static object Identify(DbConnection connection, DbConnectionStringBuilder parts)
    {
        var source = Find(parts, "Data Source") ?? Find(parts, "DataSource") ?? Find(parts, "Filename") ?? "";
        var isMemory = string.Equals(Find(parts, "Mode"), "Memory", StringComparison.OrdinalIgnoreCase);
        var isShared = string.Equals(Find(parts, "Cache"), "Shared", StringComparison.OrdinalIgnoreCase) && source is not ("" or ":memory:");
        if (source.StartsWith("file:", StringComparison.Ordinal))
        {
            var uri = source.Split('?', 2);
            var query = uri.Length == 2 ? uri[1].Split('&') : [];
            isMemory |= uri[0] is "file:" or "file::memory:" || query.Contains("mode=memory");
            isShared = query.Contains("cache=shared");
        }

        // Two rings for one database are a small waste; one ring for two would be a loss of rows. In doubt a database is private.
        if ((isMemory || source is "" or ":memory:") && !isShared)
            return PrivateDatabases.GetOrCreateValue(connection);
        return isMemory || source.StartsWith("file:", StringComparison.Ordinal) ? $"Sqlite|{source}" : $"Sqlite|{Path.GetFullPath(source)}";
    }

    private static string? Find(DbConnectionStringBuilder parts, string name) => parts.TryGetValue(name, out var value) ? value.ToString() : null;
}
