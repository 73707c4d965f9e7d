using System.Buffers.Binary;
using System.Buffers.Text;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.History;
using Xunit;

namespace EfEnvelope.Functional.History;

/// <summary>Everything moves to a new key version, what is compared and what is unique as well; then the old version is retired.</summary>
public sealed class ReencryptionScenario(HistoryServer server, HistoryCrew crew, HistorySize size, int seed) : HistoryScenario(server, crew, size, seed)
{
    private static readonly KeyScope Scope = new("default");

    private bool _rotated;

    protected override async Task PrepareAsync(EncryptedDatabase database)
    {
        if (!_rotated)
            await database.Keys.RotateAsync(Scope, includeSearch: true);
        _rotated = true;
    }

    protected override JobRequest CreateRequest()
        => new() { Kind = JobKind.Reencrypt, Table = Table, BatchSize = Size.BatchSize, RangeSize = Size.RangeSize, Throttle = Size.Throttle };

    protected override async Task AssertStoredAsync(EncryptedDatabase database)
    {
        foreach (var (column, value) in await StoredEnvelopes.ReadAsync(Server, Connection, Table))
            Assert.True(value.KeyNumber == 2, $"Column '{column}' holds a value under version {value.KeyNumber}.");

        var report = await InsistAsync(() => database.Keys.RetireAsync(new KeyVersion(Scope, 1)));
        Assert.True(report.IsRetired, string.Join(", ", report.References));
        await this.VerifyAsync(database);
    }
}

/// <summary>Two text columns are encrypted in place while the application reads both forms, and writes envelopes.</summary>
public sealed class BackfillScenario(HistoryServer server, HistoryCrew crew, HistorySize size, int seed) : HistoryScenario(server, crew, size, seed)
{
    protected override HistoryStorage Before => HistoryStorage.Plain;

    protected override HistoryStorage During => HistoryStorage.Mixed;

    protected override JobRequest CreateRequest()
        => new()
        {
            Kind = JobKind.Backfill, Table = Table, Columns = ["Note", "Label"], BatchSize = Size.BatchSize, RangeSize = Size.RangeSize, Throttle = Size.Throttle,
        };

    protected override async Task AssertStoredAsync(EncryptedDatabase database)
    {
        Assert.DoesNotContain(await StoredEnvelopes.ReadTextAsync(Server, Connection, Table), t => !t.StartsWith(StoredEnvelopes.Prefix, StringComparison.Ordinal));
        await this.VerifyAsync(database);
    }
}

/// <summary>Two text columns are decrypted in place while the application reads both forms and writes envelopes; when it has stopped, what it wrote last is decrypted as well.</summary>
public sealed class DecryptionScenario(HistoryServer server, HistoryCrew crew, HistorySize size, int seed) : HistoryScenario(server, crew, size, seed)
{
    protected override HistoryStorage Before => HistoryStorage.Encrypted;

    protected override HistoryStorage During => HistoryStorage.Mixed;

    protected override HistoryStorage After => HistoryStorage.Plain;

    protected override JobRequest CreateRequest()
        => new()
        {
            Kind = JobKind.Decrypt, Table = Table, Columns = ["Note", "Label"], BatchSize = Size.BatchSize, RangeSize = Size.RangeSize, Throttle = Size.Throttle,
        };

    // As long as the application writes envelopes there is always one left.
    protected override bool WaitsForApplication(JobInfo job) => job.Pass >= 3;

    protected override async Task AssertStoredAsync(EncryptedDatabase database)
    {
        Assert.DoesNotContain(await StoredEnvelopes.ReadTextAsync(Server, Connection, Table), t => t.StartsWith(StoredEnvelopes.Prefix, StringComparison.Ordinal));
        await this.VerifyAsync(database);
    }
}

internal static class StoredEnvelopes
{
    public const string Prefix = "efenvelope:v1:";

    private static readonly string[] TextColumns = ["Note", "Label"];

    /// <summary>Reads every stored envelope and blind index past EF Core, and what its header says.</summary>
    public static async Task<List<(string Column, (uint KeyNumber, int Length) Value)>> ReadAsync(HistoryServer server, string connection, string table)
    {
        var found = new List<(string, (uint, int))>();
        await using var source = server.CreateConnection(connection);
        await source.OpenAsync();
        await using var command = source.CreateCommand();
        command.CommandText = $"SELECT * FROM \"{table}\"";
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            for (var i = 0; i < reader.FieldCount; i++)
            {
                var value = reader.GetValue(i) switch
                {
                    byte[] bytes => bytes,
                    string text when TextColumns.Contains(reader.GetName(i)) => Decode(text),
                    _ => null,
                };
                if (value is not null)
                    found.Add((reader.GetName(i), (BinaryPrimitives.ReadUInt32BigEndian(value.AsSpan(1)), value.Length)));
            }
        }

        Assert.NotEmpty(found);
        return found;
    }

    public static async Task<List<string>> ReadTextAsync(HistoryServer server, string connection, string table)
        => [.. (await server.QueryAsync(connection, $"SELECT {string.Join(", ", TextColumns.Select(c => $"\"{c}\""))} FROM \"{table}\"")).SelectMany(r => r).OfType<string>()];

    public static async Task VerifyAsync(this HistoryScenario scenario, EncryptedDatabase database)
    {
        var report = await HistoryScenario.InsistAsync(() => database.Scans.VerifyAsync());
        Assert.True(report.IsClean, $"{scenario}: {report.Failures} failures, such as {report.Findings.FirstOrDefault()}");
        Assert.True(report is { Rows: > 0, Opened: > 0, IndexesChecked: > 0 }, $"{scenario}: {report} has nothing verified.");
    }

    private static byte[] Decode(string text)
    {
        Assert.StartsWith(Prefix, text, StringComparison.Ordinal);
        return Base64Url.DecodeFromChars(text.AsSpan(Prefix.Length));
    }
}
