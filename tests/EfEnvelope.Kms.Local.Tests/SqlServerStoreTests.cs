using System.Collections.Concurrent;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local;

/// <summary>What can be said of SQL Server without one.</summary>
public sealed class SqlServerStoreTests
{
    private readonly ServerPlace _place = new(store => store.UseSqlServer("Server=db.clinic.example;Database=keys;User Id=kms;Password=hunter2"));

    [Fact]
    public async Task Names_of_keys_compare_exactly()
    {
        await using var db = _place.Open(tracks: false);

        var script = string.Join(";\n", KmsTables.All.SelectMany(t => StoreSchema.Create(db, t)));

        Assert.Contains("[name] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL", script);
        Assert.Contains("[sealed_material] varbinary(4000) NOT NULL", script);
        Assert.Contains("REFERENCES [kms_keys] ([key_id]) ON DELETE NO ACTION", script);
        Assert.Contains("CREATE UNIQUE INDEX [IX_kms_keys_name] ON [kms_keys] ([name])", script);
        Assert.DoesNotContain("IDENTITY", script);
    }

    /// <summary>What the KMS sends to a SQL Server is parsed by Microsoft's own parser: tables, queries, changes, and what looks for
    /// traps.</summary>
    [Fact]
    public async Task Each_text_is_of_the_language_of_SQL_Server()
    {
        var faults = new ConcurrentDictionary<string, string?>(StringComparer.Ordinal);
        var server = new ParsedSqlServer(faults);
        var place = new ServerPlace(store => store.UseSqlServer(new ParsedSqlServerConnection(server), contextOwnsConnection: true));
        await using var db = place.Open(tracks: true);
        await db.ExecuteAsync(db.Dialect.LockSql, TestKms.Cancellation);
        await StoreSchema.CompleteAsync(db, TestKms.Cancellation);
        await db.QueryAsync(db.Dialect.TrapsSql(KmsTables.All.Select(t => t.Name)), r => r.GetString(0), TestKms.Cancellation);
        foreach (var table in KmsTables.All)
        {
            await db.ListAsync(table, TestKms.Cancellation);
            await db.NumberAsync(table, "COUNT(*)", [], TestKms.Cancellation);
        }

        await db.ListAsync(KmsTables.Keys, [new("name", "IN", new List<string> { "a", "b" })], "name", limit: 3, cancellationToken: TestKms.Cancellation);
        await db.ReadAheadAsync(
            [Query.One(KmsTables.Keys, Where.Is("name", "a")), new Query(KmsTables.Aliases, [Where.Is("key_id", "b")], "alias")], TestKms.Cancellation,
            "UPDATE kms_audit_head SET sequence = sequence WHERE id = 1");
        var seals = Enumerable.Range(0, 2).Select(i => new SealRow { SealId = $"{i}", Kind = "k", Parameters = "{}", SealedRootKey = [1], Created = default }).ToList();
        db.AddRange(seals);
        await db.SaveAsync(TestKms.Cancellation);
        db.Remove(seals[0]);
        await db.SaveAsync(TestKms.Cancellation);
        Assert.Equal("kms_seals", await db.FindUndoneAsync(TestKms.Cancellation));

        Assert.Contains(faults, f => f.Key.StartsWith("DELETE FROM [kms_seals]", StringComparison.Ordinal));
        Assert.True(faults.Count > 40, $"{faults.Count} texts");
        Assert.All(faults, f => Assert.True(f.Value is null, $"{f.Value}\n{f.Key}"));
    }

    [Fact]
    public void Store_is_named_by_server_and_database()
        => Assert.Equal("db.clinic.example/keys", _place.Name);
}
