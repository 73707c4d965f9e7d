using System.Data.Common;
using System.Globalization;
using System.Text;
using EfEnvelope.Kms.Local;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Cli.TestUtilities;

/// <summary>A database that an application filled, its KMS, a working directory, and the tool beside them.</summary>
public abstract class ToolWorld : IAsyncLifetime
{
    private LocalKmsSeal? _seal;

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("efenvelope-cli-").FullName;

    public string KmsFile => Path.Combine(Directory, "kms.db");

    public string KeyFile => Path.Combine(Directory, "kms.key");

    /// <summary>Gets what the tool finds in its environment; tests change it.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    public abstract string Provider { get; }

    public abstract string ConnectionString { get; }

    public virtual async ValueTask InitializeAsync()
    {
        _seal = LocalKmsSeal.CreateKeyFile(KeyFile);
        await CreateDatabaseAsync();
        Environment["EFENVELOPE_PROVIDER"] = Provider;
        Environment["EFENVELOPE_CONNECTION"] = ConnectionString;
        Environment["EFENVELOPE_KMS_FILE"] = KmsFile;
        Environment["EFENVELOPE_KMS_KEY_FILE"] = KeyFile;
        Environment["EFENVELOPE_REFRESH_INTERVAL"] = "100ms";
        Environment["EFENVELOPE_ACTIVATION_DELAY"] = "0s";
        await using var context = CreateContext();
        await context.Database.EnsureCreatedAsync();
    }

    /// <summary>Lets the application save patients, which makes the first key, and contacts in clear text.</summary>
    public async Task FillAsync(int patients = 20, int contacts = 20)
    {
        await using var context = CreateContext();
        for (var i = 1; i <= patients; i++)
            context.Add(new Patient { Name = $"Name {i}", Ssn = i % 5 == 0 ? null : Ssn(i), Email = $"p{i}@example.org" });
        for (var i = 1; i <= contacts; i++)
            context.Add(new Contact { Phone = Phone(i), Note = $"note {i}" });
        await context.SaveChangesAsync();
    }

    public static string Ssn(int i) => string.Create(CultureInfo.InvariantCulture, $"123-45-{i:0000}");

    public static string Phone(int i) => string.Create(CultureInfo.InvariantCulture, $"+43 1 {i:0000}");

    public ClinicContext CreateContext()
    {
        var builder = new DbContextOptionsBuilder<ClinicContext>();
        builder.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        UseProvider(builder);
        builder.UseEnvelopeEncryption(e => e.UseLocalKms($"Data Source={KmsFile}", _seal!).UseScope("clinic")
            .Configure(o => o with { RefreshInterval = TimeSpan.FromMilliseconds(100), ActivationDelay = TimeSpan.Zero }));
        return new ClinicContext(builder.Options);
    }

    public Task<ToolResult> RunAsync(params string[] args) => RunAsync(CancellationToken.None, args);

    public Task<ToolResult> RunAsync(CancellationToken cancellationToken, params string[] args) => Tool.RunAsync(Environment, Directory, cancellationToken, args);

    /// <summary>Runs a command that must go well, and returns the JSON document it writes.</summary>
    public async Task<System.Text.Json.JsonElement> JsonAsync(params string[] args) => (await RunAsync([.. args, "--json"])).Exits(0).Json;

    public async Task<List<object?[]>> QueryAsync(string sql)
    {
        await using var connection = CreateConnection();
        await connection.OpenAsync();
        return await QueryAsync(connection, sql);
    }

    private static async Task<List<object?[]>> QueryAsync(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<object?[]>();
        while (await reader.ReadAsync())
        {
            var row = new object?[reader.FieldCount];
            for (var i = 0; i < row.Length; i++)
                row[i] = reader.IsDBNull(i) ? null : reader.GetValue(i);
            rows.Add(row);
        }

        return rows;
    }

    public Task ExecuteAsync(string sql) => QueryAsync(sql);

    /// <summary>Tells everything there is: every table with its columns and its rows, and the KMS.</summary>
    public async Task<string> DumpAsync()
    {
        var dump = new StringBuilder();
        foreach (var row in await QueryAsync(TablesSql))
        {
            var table = (string)row[0]!;
            dump.Append("== ").AppendLine(table);
            dump.AppendLine(string.Join(", ", (await QueryAsync(ColumnsSql(table))).Select(r => string.Join(' ', r))));
            foreach (var line in (await QueryAsync($"SELECT * FROM \"{table}\"")).Select(r => string.Join('|', r.Select(Text))).Order(StringComparer.Ordinal))
                dump.AppendLine(line);
        }

        await DumpKmsAsync(dump);
        return dump.ToString();
    }

    // All of the KMS but its audit trail, which has what was read as well.
    private async Task DumpKmsAsync(StringBuilder dump)
    {
        if (!File.Exists(KmsFile))
            return;
        await using var connection = new SqliteConnection($"Data Source={KmsFile};Pooling=False");
        await connection.OpenAsync();
        foreach (var table in (await QueryAsync(connection, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'kms_audit%' ORDER BY name")).Select(r => (string)r[0]!))
        {
            dump.Append("== ").AppendLine(table);
            foreach (var line in (await QueryAsync(connection, $"SELECT * FROM \"{table}\"")).Select(r => string.Join('|', r.Select(Text))).Order(StringComparer.Ordinal))
                dump.AppendLine(line);
        }
    }

    public virtual async ValueTask DisposeAsync()
    {
        await DropDatabaseAsync();
        System.IO.Directory.Delete(Directory, recursive: true);
        GC.SuppressFinalize(this);
    }

    public abstract DbConnection CreateConnection();

    protected abstract string TablesSql { get; }

    protected abstract string ColumnsSql(string table);

    protected abstract Task CreateDatabaseAsync();

    protected abstract Task DropDatabaseAsync();

    protected abstract void UseProvider(DbContextOptionsBuilder builder);

    private static string Text(object? value)
        => value switch
        {
            null => "null",
            byte[] bytes => Convert.ToHexString(bytes),
            IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
            _ => value.ToString()!,
        };
}
