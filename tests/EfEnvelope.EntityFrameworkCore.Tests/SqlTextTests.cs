using System.Data;
using System.Data.Common;
using System.Text.RegularExpressions;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;
using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>The SQL and the parameters that each provider would send; no server is needed to read them.</summary>
public sealed class SqlTextTests
{
    private const string SqlServer = "SqlServer";
    private const string Sqlite = "Sqlite";
    private const string Postgres = "Postgres";

    [Theory]
    [InlineData("Short", "varbinary(183) NOT NULL")]
    [InlineData("Edge", "varbinary(7998) NULL")]
    [InlineData("BeyondEdge", "varbinary(max) NULL")]
    [InlineData("Unbounded", "varbinary(max) NULL")]
    [InlineData("ShortBytes", "varbinary(133) NULL")]
    [InlineData("Bytes", "varbinary(max) NULL")]
    [InlineData("Int", "varbinary(37) NOT NULL")]
    [InlineData("NullableInt", "varbinary(37) NULL")]
    [InlineData("Long", "varbinary(41) NOT NULL")]
    [InlineData("Decimal", "varbinary(49) NOT NULL")]
    [InlineData("Guid", "varbinary(49) NOT NULL")]
    [InlineData("DateTime", "varbinary(41) NOT NULL")]
    [InlineData("Bool", "varbinary(34) NOT NULL")]
    public void Sql_Server_columns_are_as_long_as_the_longest_envelope(string column, string definition)
        => Assert.Contains($"[{column}] {definition}", CreateScript(SqlServer), StringComparison.Ordinal);

    [Theory]
    [InlineData("Short", "nvarchar(258) NOT NULL")]
    [InlineData("Ascii", "varchar(258) NULL")]
    [InlineData("Deterministic", "nvarchar(242) NULL")]
    [InlineData("DeterministicAscii", "varchar(242) NULL")]
    [InlineData("Unbounded", "nvarchar(max) NULL")]
    [InlineData("UnboundedAscii", "varchar(max) NULL")]
    [InlineData("Edge", "nvarchar(3998) NULL")]
    [InlineData("BeyondEdge", "nvarchar(max) NULL")]
    [InlineData("BeyondEdgeAscii", "varchar(4002) NULL")]
    [InlineData("Short_BlindIndex", "varbinary(21) NULL")]
    public void Sql_Server_text_columns_are_as_long_as_the_text_of_the_longest_envelope(string column, string definition)
    {
        var script = CreateScript(SqlServer);

        Assert.Contains($"[{column}] {definition}", script[script.IndexOf("CREATE TABLE [Texts]", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Sqlite, "TEXT")]
    [InlineData(Postgres, "(character varying\\(\\d+\\)|text)")]
    public void Text_columns_of_other_providers_are_text(string provider, string type)
    {
        var script = CreateScript(provider);

        var table = script[script.IndexOf("CREATE TABLE \"Texts\"", StringComparison.Ordinal)..];
        table = table[..table.IndexOf("CONSTRAINT \"CK_", StringComparison.Ordinal)];
        Assert.Equal(9, Regex.Count(table, $@" {type}( NOT)?( NULL)?,"));
    }

    [Theory]
    [InlineData(Sqlite, "BLOB")]
    [InlineData(Postgres, "bytea")]
    public void Other_providers_have_one_binary_type(string provider, string type)
    {
        var script = CreateScript(provider);

        var table = script[script.IndexOf("CREATE TABLE \"Samples\"", StringComparison.Ordinal)..];
        table = table[..table.IndexOf(");", StringComparison.Ordinal)];
        Assert.Equal(13, Regex.Count(table, $@" {type}\b"));
    }

    [Theory]
    [InlineData(SqlServer, "[Scope] varchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL", "[WrappedKey] nvarchar(max) NULL", "[Reserved] bigint NOT NULL", "[Field] nvarchar(256) COLLATE Latin1_General_100_BIN2 NOT NULL")]
    [InlineData(Sqlite, "\"Scope\" TEXT NOT NULL", "\"WrappedKey\" TEXT NULL", "\"Reserved\" INTEGER NOT NULL", "\"Field\" TEXT NOT NULL")]
    [InlineData(
        Postgres, "\"Scope\" character varying(200) NOT NULL", "\"WrappedKey\" text", "\"Reserved\" bigint NOT NULL",
        "\"Field\" character varying(256) NOT NULL")]
    public void Our_tables_have_portable_columns(string provider, params string[] definitions)
    {
        var script = CreateScript(provider);

        Assert.All(definitions, definition => Assert.Contains(definition, script, StringComparison.Ordinal));
        Assert.DoesNotContain("<envelope>", script, StringComparison.Ordinal);
        Assert.Contains("Samples.Short", script, StringComparison.Ordinal);
    }

    [Fact]
    public void Parameters_of_an_insert_have_the_size_of_their_column()
    {
        var command = Capture(context => context.Add(new Sample { Short = "ada", Edge = "x", BeyondEdge = "x", Int = 5 }), c => c.SaveChanges());

        Assert.Equal(
            new Dictionary<string, int>
            {
                ["Short"] = 183, ["Edge"] = 7998, ["BeyondEdge"] = 8000, ["Unbounded"] = 8000, ["ShortBytes"] = 133, ["Bytes"] = 8000, ["Int"] = 37,
                ["NullableInt"] = 37, ["Long"] = 41, ["Decimal"] = 49, ["Guid"] = 49, ["DateTime"] = 41, ["Bool"] = 34,
            },
            command.Sizes);
        Assert.All(command.Types, type => Assert.Equal(DbType.Binary, type));
    }

    [Fact]
    public void Text_parameters_of_an_insert_have_the_size_and_the_type_of_their_column()
    {
        var command = Capture(
            context => context.Add(new TextSample { Short = "ada", Ascii = "ada", Edge = "x", BeyondEdge = "x", Deterministic = "ada", Unbounded = "x" }), c => c.SaveChanges());

        Assert.Equal(
            new Dictionary<string, int>
            {
                ["Short"] = 258, ["Short_BlindIndex"] = 21, ["Ascii"] = 258, ["Deterministic"] = 242, ["DeterministicAscii"] = 242, ["Unbounded"] = 4000,
                ["UnboundedAscii"] = 8000, ["Edge"] = 3998, ["BeyondEdge"] = 4000, ["BeyondEdgeAscii"] = 4002,
            },
            command.Sizes);
        Assert.Equal(
            command.Sizes.Keys.Select(n => n.EndsWith("Ascii", StringComparison.Ordinal) ? DbType.AnsiString : n.EndsWith("Index", StringComparison.Ordinal) ? DbType.Binary : DbType.String),
            command.Types);
    }

    [Theory]
    [InlineData(1, 4000)]
    [InlineData(985, 4000)]
    [InlineData(986, 4000)]
    [InlineData(2956, 4000)]
    [InlineData(2957, -1)]
    [InlineData(100_000, -1)]
    public void Parameters_of_unbounded_text_columns_have_one_of_two_sizes(int length, int size)
    {
        var command = Capture(context => context.Add(new TextSample { Unbounded = new string('x', length) }), c => c.SaveChanges());

        Assert.Equal(size, command.Sizes["Unbounded"]);
    }

    [Theory]
    [InlineData(3, 242)]
    [InlineData(50, 242)]
    [InlineData(2000, 4000)]
    public void Parameters_of_a_query_have_the_size_of_their_column_unless_no_row_could_have_the_value(int length, int size)
    {
        var value = new string('x', length);
        var command = Capture(_ => { }, c => c.Texts.Count(t => t.Deterministic == value));

        Assert.Equal([size, size], command.Sizes.Values);
        Assert.Matches(@"WHERE \[t\]\.\[Deterministic\] IN \(@\w+, @\w+\)$", command.Text);
    }

    [Theory]
    [InlineData(3, 258, 258)]
    [InlineData(300, 4000, 4000)]
    public void Plaintext_that_is_looked_for_while_backfilling_has_the_size_of_the_column(int length, int size, int plainSize)
    {
        var value = new string('x', length);
        var command = Capture(_ => { }, c => c.Texts.Count(t => t.Short == value), backfilling: true);

        Assert.Equal([21, 21, plainSize], command.Sizes.Values);
        Assert.Equal(size, plainSize);
    }

    [Theory]
    [InlineData(1, 8000)]
    [InlineData(7967, 8000)]
    [InlineData(7968, -1)]
    [InlineData(100_000, -1)]
    public void Parameters_of_unbounded_columns_have_one_of_two_sizes(int length, int size)
    {
        var command = Capture(context => context.Add(new Sample { Unbounded = new string('x', length), Bytes = new byte[length] }), c => c.SaveChanges());

        Assert.Equal((size, size), (command.Sizes["Unbounded"], command.Sizes["Bytes"]));
    }

    [Fact]
    public void Value_that_is_too_long_keeps_its_length_so_that_nothing_is_cut()
    {
        var command = Capture(context => context.Add(new Sample { Short = new string('x', 151) }), c => c.SaveChanges());

        Assert.Equal(8000, command.Sizes["Short"]);
    }

    [Theory]
    [InlineData("ada", 183)]
    [InlineData(null, 8000)]
    public void Parameters_of_an_update_in_bulk_have_the_size_of_their_column(string? value, int size)
    {
        var command = Capture(
            _ => { },
            c => value is null
                ? c.Samples.ExecuteUpdate(s => s.SetProperty(x => x.Unbounded, new string('x', 5)))
                : c.Samples.ExecuteUpdate(s => s.SetProperty(x => x.Short, value)));

        Assert.Equal([size], command.Sizes.Values);
        Assert.Matches(@"^UPDATE \[s\]\s+SET \[s\]\.\[(Short|Unbounded)\] = @\w+\s+FROM \[Samples\] AS \[s\]$", command.Text);
    }

    [Theory]
    [InlineData(SqlServer, "SELECT [s].[Short]\nFROM [Samples] AS [s]\nWHERE [s].[Unbounded] IS NULL")]
    [InlineData(Sqlite, "SELECT \"s\".\"Short\"\nFROM \"Samples\" AS \"s\"\nWHERE \"s\".\"Unbounded\" IS NULL")]
    [InlineData(Postgres, "SELECT s.\"Short\"\nFROM \"Samples\" AS s\nWHERE s.\"Unbounded\" IS NULL")]
    public void Queries_select_columns_and_test_for_null_as_if_nothing_were_encrypted(string provider, string sql)
    {
        using var context = Create(provider);

        Assert.Equal(sql, context.Samples.Where(s => s.Unbounded == null).Select(s => s.Short).ToQueryString().ReplaceLineEndings("\n"));
    }

    [Theory]
    [InlineData(SqlServer)]
    [InlineData(Sqlite)]
    [InlineData(Postgres)]
    public void Constant_that_is_selected_beside_an_encrypted_column_stays_out_of_the_text(string provider)
    {
        using var context = Create(provider);

        var sql = context.Samples.Select(s => s.Unbounded ?? s.Unbounded).ToQueryString();

        Assert.DoesNotContain("envelope", sql, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData(SqlServer)]
    [InlineData(Postgres)]
    public void Every_table_of_a_hierarchy_has_an_index_and_a_check_of_its_own_name(string provider)
    {
        using var context = new ShapeContext(Use<ShapeContext>(provider));
        var script = context.Database.GenerateCreateScript();

        var checks = Regex.Matches(script, @"CREATE TABLE .(\w+)\W[^;]*")
            .SelectMany(t => Regex.Matches(t.Value, @"CONSTRAINT .(CK_\w+)").Select(m => (t.Groups[1].Value, m.Groups[1].Value))).ToList();
        var indexes = Regex.Matches(script, @"CREATE UNIQUE INDEX .(IX_\w+)").Select(m => m.Groups[1].Value).ToList();
        Assert.Equal(
            [
                ("Circle", "CK_Circle_Name_BlindIndex"), ("Circle", "CK_Circle_Name_IsEnvelope"),
                ("Square", "CK_Square_Name_BlindIndex"), ("Square", "CK_Square_Name_IsEnvelope"),
            ],
            checks.Order());
        Assert.Equal(
            ["IX_Circle_Name_BlindIndex", "IX_Circle_Name_BlindIndex_Next", "IX_Square_Name_BlindIndex", "IX_Square_Name_BlindIndex_Next"],
            indexes.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(SqlServer)]
    [InlineData(Postgres)]
    public void Migration_adds_and_drops_the_check_of_every_table_of_a_hierarchy(string provider)
    {
        using var filling = new FillingShapeContext(Use<FillingShapeContext>(provider));
        using var filled = new ShapeContext(Use<ShapeContext>(provider));

        string[] expected = ["Circle: CK_Circle_Name_BlindIndex", "Square: CK_Square_Name_BlindIndex"];
        Assert.Equal(expected, Compare(filling, filled).OfType<AddCheckConstraintOperation>().Select(o => $"{o.Table}: {o.Name}").Order());
        Assert.Equal(expected, Compare(filled, filling).OfType<DropCheckConstraintOperation>().Select(o => $"{o.Table}: {o.Name}").Order());
    }

    private static IReadOnlyList<MigrationOperation> Compare(DbContext from, DbContext to)
        => to.GetService<IMigrationsModelDiffer>().GetDifferences(
            from.GetService<IDesignTimeModel>().Model.GetRelationalModel(), to.GetService<IDesignTimeModel>().Model.GetRelationalModel());

    private static string CreateScript(string provider)
    {
        using var context = Create(provider);
        return context.Database.GenerateCreateScript();
    }

    private static CapturedCommand Capture(Action<SampleContext> prepare, Func<SampleContext, int> run, bool backfilling = false)
    {
        var interceptor = new CapturingInterceptor();
        using var context = backfilling ? new BackfillingContext(Use<BackfillingContext>(SqlServer, interceptor)) : Create(SqlServer, interceptor);
        context.Database.AutoTransactionBehavior = AutoTransactionBehavior.Never;
        prepare(context);
        Assert.Contains(nameof(CapturedException), Record.Exception(() => run(context))!.ToString(), StringComparison.Ordinal);
        return interceptor.Command!;
    }

    private static SampleContext Create(string provider, params IInterceptor[] interceptors) => new(Use<SampleContext>(provider, interceptors));

    private static DbContextOptions<T> Use<T>(string provider, params IInterceptor[] interceptors)
        where T : DbContext
    {
        var builder = new DbContextOptionsBuilder<T>();
        _ = provider switch
        {
            SqlServer => builder.UseSqlServer("Server=nowhere;Database=nothing;User Id=nobody;Password=none"),
            Sqlite => builder.UseSqlite("Data Source=:memory:"),
            _ => builder.UseNpgsql("Host=nowhere;Database=nothing"),
        };
        builder.UseEnvelopeEncryption(e => e.UseKms(new TestKms()))
            .AddInterceptors(interceptors)
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        return builder.Options;
    }

    private class SampleContext(DbContextOptions options) : DbContext(options)
    {
        public DbSet<Sample> Samples => Set<Sample>();

        public DbSet<TextSample> Texts => Set<TextSample>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Entity<Sample>(
                b =>
                {
                    b.Property(s => s.Short).HasMaxLength(50);
                    b.Property(s => s.Edge).HasMaxLength(2655);
                    b.Property(s => s.BeyondEdge).HasMaxLength(2656);
                    b.Property(s => s.ShortBytes).HasMaxLength(100);
                    foreach (var property in b.Metadata.GetProperties().Where(p => p.Name != "Id").ToList())
                        b.Property(property.ClrType, property.Name).IsEncrypted();
                });
            modelBuilder.Entity<TextSample>(
                b =>
                {
                    b.Property(t => t.Short).HasMaxLength(50).HasBlindIndex();
                    b.Property(t => t.Edge).HasMaxLength(985);
                    b.Property(t => t.BeyondEdge).HasMaxLength(986);
                    b.Property(t => t.BeyondEdgeAscii).HasMaxLength(986);
                    foreach (var name in new[] { "Ascii", "Deterministic", "DeterministicAscii" })
                        b.Property(name).HasMaxLength(50);
                    foreach (var property in b.Metadata.GetProperties().Where(p => p.Name != "Id").ToList())
                    {
                        var mode = property.Name.StartsWith("Deterministic", StringComparison.Ordinal) ? EncryptionMode.Deterministic : EncryptionMode.Randomized;
                        b.Property(property.Name).IsEncrypted(mode, storage: EncryptedStorage.Text)
                            .IsUnicode(!property.Name.EndsWith("Ascii", StringComparison.Ordinal));
                    }

                    b.HasIndex(t => t.Deterministic);
                });
        }
    }

    private sealed class BackfillingContext(DbContextOptions<BackfillingContext> options) : SampleContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            base.OnModelCreating(modelBuilder);
            modelBuilder.Entity<TextSample>().Property(t => t.Short).AllowPlaintextWhileBackfilling();
        }
    }

    private class ShapeContext(DbContextOptions options, bool isFilling = false) : DbContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Entity<Shape>().UseTpcMappingStrategy().Property(s => s.Name).IsEncrypted().HasBlindIndex(isUnique: true, allowMissingWhileBackfilling: isFilling);
            modelBuilder.Entity<Circle>();
            modelBuilder.Entity<Square>();
        }
    }

    private sealed class FillingShapeContext(DbContextOptions<FillingShapeContext> options) : ShapeContext(options, isFilling: true);

    private abstract class Shape
    {
        public int Id { get; set; }

        public string? Name { get; set; }
    }

    private sealed class Circle : Shape;

    private sealed class Square : Shape;

    private sealed class TextSample
    {
        public int Id { get; set; }

        public string Short { get; set; } = "";

        public string? Ascii { get; set; }

        public string? Deterministic { get; set; }

        public string? DeterministicAscii { get; set; }

        public string? Unbounded { get; set; }

        public string? UnboundedAscii { get; set; }

        public string? Edge { get; set; }

        public string? BeyondEdge { get; set; }

        public string? BeyondEdgeAscii { get; set; }
    }

    private sealed class Sample
    {
        public int Id { get; set; }

        public string Short { get; set; } = "";

        public string? Edge { get; set; }

        public string? BeyondEdge { get; set; }

        public string? Unbounded { get; set; }

        public byte[]? ShortBytes { get; set; }

        public byte[]? Bytes { get; set; }

        public int Int { get; set; }

        public int? NullableInt { get; set; }

        public long Long { get; set; }

        public decimal Decimal { get; set; }

        public Guid Guid { get; set; }

        public DateTime DateTime { get; set; }

        public bool Bool { get; set; }
    }

    private sealed record CapturedCommand(string Text, Dictionary<string, int> Sizes, List<DbType> Types);

    private sealed class CapturedException : Exception;

    // Stops every command as soon as its parameters are made, before any key or server would be needed.
    private sealed class CapturingInterceptor : DbCommandInterceptor, IDbConnectionInterceptor
    {
        public CapturedCommand? Command { get; private set; }

        public InterceptionResult ConnectionOpening(DbConnection connection, ConnectionEventData eventData, InterceptionResult result)
            => InterceptionResult.Suppress();

        public override DbCommand CommandInitialized(CommandEndEventData eventData, DbCommand result)
        {
            var names = Regex.Match(result.CommandText, @"INSERT INTO \[\w+\] \((?<columns>.*?)\)").Groups["columns"].Value
                .Split(", ", StringSplitOptions.RemoveEmptyEntries).Select(n => n.Trim('[', ']')).ToList();
            var parameters = result.Parameters.Cast<DbParameter>().ToList();
            Command = new CapturedCommand(
                result.CommandText.ReplaceLineEndings("\n"),
                parameters.Select((p, i) => (Name: i < names.Count ? names[i] : p.ParameterName, p.Size)).ToDictionary(p => p.Name, p => p.Size),
                [.. parameters.Select(p => p.DbType)]);
            throw new CapturedException();
        }
    }
}
