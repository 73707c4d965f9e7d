namespace EfEnvelope.Kms.Local.Storage;

/// <summary>Makes the tables and columns of the KMS that are missing, in a database that may hold others.</summary>
internal static class StoreSchema
{
    /// <summary>Runs in the transaction of the session, with other creators shut out.</summary>
    public static async Task CompleteAsync(KmsSession db, CancellationToken cancellationToken)
    {
        // Each table is there under the empty column name too.
        var present = new HashSet<(string Table, string Column)>();
        foreach (var (table, column) in await db.QueryAsync(db.Dialect.ColumnsSql, r => (r.GetString(0), r.GetString(1)), cancellationToken)
            .ConfigureAwait(false))
        {
            present.Add((table, ""));
            present.Add((table, column));
        }

        foreach (var table in KmsTables.All)
        {
            var statements = present.Contains((table.Name, ""))
                ? table.Columns.Where(c => !present.Contains((table.Name, c.Name))).Select(c => Add(db, table, c))
                : Create(db, table);
            foreach (var statement in statements)
                await db.ExecuteAsync(statement, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Makes the statements that create a table.</summary>
    public static IEnumerable<string> Create(KmsSession db, KmsTable table)
    {
        var parts = table.Columns.Select(c => Define(db, c))
            .Append($"CONSTRAINT {db.Quote($"PK_{table.Name}")} PRIMARY KEY ({string.Join(", ", table.Key.Select(c => db.Quote(c.Name)))})");
        if (table.Parent is { } parent)
        {
            var key = db.Quote("key_id");
            parts = parts.Append(
                $"CONSTRAINT {db.Quote($"FK_{table.Name}_{parent.Name}_key_id")} FOREIGN KEY ({key}) REFERENCES {db.Quote(parent.Name)} ({key}) {db.Dialect.Restrict}");
        }

        yield return $"CREATE TABLE {db.Quote(table.Name)} (\n    {string.Join(",\n    ", parts)}\n)";
        if (table.Index is { } index)
        {
            var unique = table.IsIndexUnique ? "UNIQUE " : "";
            yield return $"CREATE {unique}INDEX {db.Quote($"IX_{table.Name}_{index}")} ON {db.Quote(table.Name)} ({db.Quote(index)})";
        }
    }

    private static string Add(KmsSession db, KmsTable table, KmsColumn column)
    {
        var value = column.Default is { } given ? $" DEFAULT {db.LiteralOf(column, given)}" : "";
        return $"ALTER TABLE {db.Quote(table.Name)} ADD {Define(db, column)}{value}";
    }

    private static string Define(KmsSession db, KmsColumn column)
    {
        var collation = column.Type == typeof(string) ? db.Dialect.Collate : "";
        return $"{db.Quote(column.Name)} {db.TypeOf(column)}{collation} {(column.IsNullable ? "NULL" : "NOT NULL")}";
    }
}
