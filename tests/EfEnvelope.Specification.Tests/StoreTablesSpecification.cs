using System.ComponentModel;
using System.Data.Common;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Design;
using Microsoft.EntityFrameworkCore.Storage;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>The tables of keys, usage and map: not in the application's model, shared by contexts, and dropped by no migration.</summary>
public abstract class StoreTablesSpecification(TestDatabase database) : MigratingSpecification(database)
{
    private readonly Dictionary<string, List<ScaffoldedMigration>> _contexts = [];

    [Fact]
    public async Task Two_contexts_of_one_database_share_keys_and_map()
    {
        await MigrateBothAsync();

        Assert.Equal(
            ["Orders.Note", "People.Name"],
            (await ReadMapAsync()).Order());
        Assert.Equal(1, Kms.Wraps);
        Assert.Equal("Ada", await ReadNameAsync());
        Assert.Equal("urgent", await ReadNoteAsync());
    }

    [Fact]
    public async Task Two_contexts_that_create_their_tables_without_migrations_share_keys_and_map()
    {
        await using (var people = Create(People))
            await people.Database.EnsureCreatedAsync();
        await using (var orders = Create(Orders))
            await orders.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
        await SaveBothAsync();

        Assert.Equal(["Orders.Note", "People.Name"], (await ReadMapAsync()).Order());
        Assert.Equal("Ada", await ReadNameAsync());
        Assert.Equal("urgent", await ReadNoteAsync());
    }

    [Fact]
    public async Task Context_that_goes_down_to_zero_leaves_the_tables_to_the_other_one()
    {
        await MigrateBothAsync();

        Select("people");
        await using (var context = Create(People, CompileAll()))
            await context.Database.MigrateAsync(Migration.InitialDatabase);

        Assert.Equal(["Orders.Note"], await ReadMapAsync());
        Assert.Equal("urgent", await ReadNoteAsync());
        await MigrateAsync(People);
        Assert.Equal(["Orders.Note", "People.Name"], (await ReadMapAsync()).Order());
    }

    [Fact]
    public async Task Last_encrypted_property_of_a_context_takes_no_key_with_it()
    {
        await MigrateBothAsync();

        Select("people");
        var migration = Scaffold(NamelessPeople);
        Assert.DoesNotContain("__Envelope", Up(migration).Replace("__EnvelopeKeys, __EnvelopeUsage, __EnvelopeMap", "", StringComparison.Ordinal), StringComparison.Ordinal);
        await MigrateAsync(NamelessPeople);

        Assert.Equal(["Orders.Note"], await ReadMapAsync());
        Assert.Equal("urgent", await ReadNoteAsync());
        await using var context = Create(NamelessPeople);
        Assert.False(context.Database.HasPendingModelChanges());
    }

    [Fact]
    public async Task Row_of_the_map_stays_if_the_migration_does_not_end_the_encryption_of_its_column()
    {
        await MigrateBothAsync();

        Select("people");
        var migration = Scaffold(NamelessPeople);
        Migrations[^1] = Copy(migration, migration.MigrationCode.Replace("migrationBuilder.DropColumn(", "_ = (name: \"\", table: \"\"); void Keep(string name, string table) { } Keep(", StringComparison.Ordinal));
        await MigrateAsync(NamelessPeople);

        Assert.Equal(["Orders.Note", "People.Name"], (await ReadMapAsync()).Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Encryption_does_not_end_while_a_row_is_an_envelope(bool inOneRun)
    {
        Scaffold(Text);
        await MigrateAsync(Text);
        await SaveAsync(Text, "Ada");
        Scaffold(TextWhileDecrypting);
        if (!inOneRun)
            await MigrateAsync(TextWhileDecrypting);
        Scaffold(PlainText);

        // As a database that lags behind is migrated by somebody else, without the job between.
        var e = await Assert.ThrowsAnyAsync<DbException>(() => MigrateAsync(PlainText));

        Assert.Contains("Column 'People.Name' still holds envelopes", e.Message, StringComparison.Ordinal);
        Assert.Contains("efenvelope decrypt", e.Message, StringComparison.Ordinal);
        Assert.Equal(["People.Name"], await ReadMapAsync());
        Assert.Equal("Ada", await ReadNameAsync(TextWhileDecrypting));

        await using (var context = Create(TextWhileDecrypting))
        {
            var person = await context.Set<Individual>().SingleAsync();
            context.Entry(person).Property(p => p.Name).IsModified = true;
            await context.SaveChangesAsync();
        }

        await MigrateAsync(PlainText);
        Assert.Equal("Ada", await ReadNameAsync(PlainText));
        Assert.Empty(await ReadMapAsync());
        Assert.Single(await Database.QueryAsync($"SELECT 1 FROM {Database.Quote("__EnvelopeKeys")} WHERE {Database.OfApplications}"));
    }

    [Fact]
    public async Task Script_fails_while_a_row_is_an_envelope()
    {
        Scaffold(Text);
        await MigrateAsync(Text);
        await SaveAsync(Text, "Ada");
        Scaffold(TextWhileDecrypting);
        Scaffold(PlainText);
        await using var context = Create(PlainText, CompileAll());

        var script = context.GetService<IMigrator>().GenerateScript(Migrations[0].MigrationId, options: ScriptOptions);
        var e = await Assert.ThrowsAnyAsync<DbException>(() => RunAsync(script));

        Assert.Contains("Column 'People.Name' still holds envelopes", e.Message, StringComparison.Ordinal);
        Assert.Equal(["People.Name"], await ReadMapAsync());
    }

    [Fact]
    public async Task Script_creates_the_tables_and_runs_again()
    {
        Scaffold(People);
        await using var context = Create(People, CompileAll());
        var script = context.GetService<IMigrator>().GenerateScript(options: ScriptOptions);

        await RunAsync(script);
        if (ScriptOptions != MigrationsSqlGenerationOptions.Default)
            await RunAsync(script);
        await SaveAsync(People, "Ada");

        Assert.Equal(["People.Name"], await ReadMapAsync());
        Assert.Equal("Ada", await ReadNameAsync());
    }

    [Fact]
    public async Task Application_of_the_version_before_keeps_keys_map_and_usage()
    {
        var old = EarlierVersion.Sources;
        await using (var context = Create(People, DesignTime.Compile(old)))
        {
            await context.Database.MigrateAsync();
            Assert.True(context.Database.HasPendingModelChanges());
        }

        await SaveAsync(People, "Ada");
        var before = await ReadStoreAsync();
        Migrations.Add(EarlierVersion.Migration);
        var update = Scaffold(People);
        Assert.Equal(2, update.MigrationCode.Split("migrationBuilder.AlterDatabase()").Length - 1);
        Assert.DoesNotContain("\"__Envelope", update.MigrationCode.Replace("\"__EnvelopeKeys, __EnvelopeUsage", "", StringComparison.Ordinal), StringComparison.Ordinal);
        await MigrateAsync(People);

        Assert.Equal(before, await ReadStoreAsync());
        Assert.Equal("Ada", await ReadNameAsync());
        await using (var context = Create(People))
            Assert.False(context.Database.HasPendingModelChanges());
        await using (var context = Create(People, CompileAll()))
            await context.Database.MigrateAsync(Migration.InitialDatabase);
        Assert.Equal(before[0], (await ReadStoreAsync())[0]);
        Assert.Empty(await ReadMapAsync());
    }

    [Fact]
    public async Task Application_of_the_version_before_ends_its_encryption_without_losing_a_key()
    {
        await using (var context = Create(People, DesignTime.Compile(EarlierVersion.Sources)))
            await context.Database.MigrateAsync();
        await SaveAsync(People, "Ada");
        var before = await ReadStoreAsync();
        Migrations.Add(EarlierVersion.Migration);

        var end = Scaffold(NamelessPeople);
        Assert.DoesNotContain("DropTable", end.MigrationCode, StringComparison.Ordinal);
        await MigrateAsync(NamelessPeople);

        Assert.Equal(before[0], (await ReadStoreAsync())[0]);
        Assert.Empty(await ReadMapAsync());
    }

    [Fact]
    public async Task Migrations_of_the_version_before_run_on_a_database_that_another_context_has_already()
    {
        Scaffold(Orders);
        await MigrateAsync(Orders);
        await using (var context = Create(People, DesignTime.Compile(EarlierVersion.Sources)))
        {
            await context.Database.MigrateAsync();
            Assert.Equal(["Orders.Note", "People.Name"], (await ReadMapAsync()).Order());
            await SaveBothAsync();

            await context.Database.MigrateAsync(Migration.InitialDatabase);
        }

        Assert.Equal(["Orders.Note"], await ReadMapAsync());
        Assert.Equal("urgent", await ReadNoteAsync());
    }

    [Theory]
    [InlineData("change tracking")]
    [InlineData("access mode")]
    [InlineData("renamed at the end")]
    public async Task Settings_of_the_whole_model_reach_none_of_our_tables(string kind)
    {
        Action<ModelConfigurationBuilder>? conventions = kind.EndsWith("at the end", StringComparison.Ordinal)
            ? c => c.Conventions.Add(_ => new FinalSnakeCaseConvention())
            : null;
        Action<ModelBuilder> build = kind switch
        {
            "change tracking" => b => { Searchable(b); b.HasChangeTrackingStrategy(ChangeTrackingStrategy.ChangedNotifications); },
            "access mode" => b => { Searchable(b); b.UsePropertyAccessMode(PropertyAccessMode.Field); },
            _ => Searchable,
        };
        await using (var context = Create(build, conventions: conventions))
        {
            await context.Database.EnsureCreatedAsync();
            context.Add(new Notifier { Name = "Ada", Code = "c1" });
            await context.SaveChangesAsync();
        }

        await using (var context = Create(build, conventions: conventions))
        {
            var found = await context.Set<Notifier>().SingleAsync(n => n.Name == "Ada" && n.Code == "c1");
            Assert.Equal("Ada", found.Name);
            found.Name = "Bea";
            await context.SaveChangesAsync();
            var columns = context.Model.FindEntityType(typeof(Notifier))!.GetProperties().Select(p => $"{p.DeclaringType.GetTableName()}.{p.GetColumnName()}").ToHashSet();
            Assert.All(await ReadMapAsync(), row => Assert.Contains(row, columns));
            await context.Set<Notifier>().Where(n => n.Name == "Bea").SingleAsync();
        }
    }

    /// <summary>Gets how scripts are made: those that run again, where the provider has them.</summary>
    protected virtual MigrationsSqlGenerationOptions ScriptOptions => MigrationsSqlGenerationOptions.Idempotent;

    private async Task RunAsync(string script)
    {
        await using var connection = Database.CreateConnection();
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = script;
        await command.ExecuteNonQueryAsync();
    }

    private void Select(string context)
    {
        Year = context == "people" ? 2026 : 2027;
        if (!_contexts.TryGetValue(context, out var migrations))
            _contexts.Add(context, migrations = []);
        Migrations = migrations;
    }

    private async Task MigrateBothAsync()
    {
        foreach (var (name, build) in new (string, Action<ModelBuilder>)[] { ("people", People), ("orders", Orders) })
        {
            Select(name);
            Scaffold(build);
            await MigrateAsync(build);
        }

        await SaveBothAsync();
    }

    private async Task SaveBothAsync()
    {
        await SaveAsync(People, "Ada");
        await using var orders = Create(Orders);
        orders.Add(new Order { Note = "urgent" });
        await orders.SaveChangesAsync();
    }

    private async Task SaveAsync(Action<ModelBuilder> build, string name)
    {
        await using var context = Create(build);
        context.Add(new Individual { Name = name });
        await context.SaveChangesAsync();
    }

    private async Task<string?> ReadNameAsync(Action<ModelBuilder>? build = null)
    {
        await using var context = Create(build ?? People);
        return (await context.Set<Individual>().SingleAsync()).Name;
    }

    private async Task<string> ReadNoteAsync()
    {
        await using var context = Create(Orders, configure: e => e.Configure(o => o with { NegativeCacheTime = TimeSpan.FromSeconds(3) }));
        return (await context.Set<Order>().SingleAsync()).Note;
    }

    private async Task<List<string>> ReadMapAsync()
    {
        var separator = Database.CreateConnection().GetType().Name == "SqlConnection" ? "+" : "||";
        return [.. (await Database.QueryAsync($"SELECT {Q("TableName")} {separator} '.' {separator} {Q("ColumnName")} FROM {Q("__EnvelopeMap")}")).Select(v => (string)v!)];
    }

    private async Task<List<string>> ReadStoreAsync()
    {
        var rows = new List<string>();
        foreach (var (table, columns) in new[]
        {
            ("__EnvelopeKeys", "Scope, Version, Status, WrappedKey, Commitment, CreatedAt, EncryptsFrom, Revision"), ("__EnvelopeUsage", "Scope, Version, Field, Reserved"),
            ("__EnvelopeMap", "TableName, ColumnName, Field, Mode, PlaintextType, Definition"),
        })
        {
            var values = new List<string>();

            // Beside the application's scopes, usage counts the requests to the KMS, which a process makes again after a migration.
            var where = columns.StartsWith("Scope", StringComparison.Ordinal) ? $" WHERE {Database.OfApplications}" : "";
            foreach (var column in columns.Split(", "))
                values.AddRange((await Database.QueryAsync($"SELECT {Q(column)} FROM {Q(table)}{where} ORDER BY 1")).Select(v => $"{column}={v}"));
            rows.Add(string.Join(';', values));
        }

        return rows;
    }

    private string Q(string name) => Database.Quote(name);

    private static void People(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Individual>(b => { b.ToTable("People"); b.Property(p => p.Name).IsEncrypted(); });

    private static void NamelessPeople(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Individual>(b => { b.ToTable("People"); b.Ignore(p => p.Name); });

    private static void Text(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Individual>(b => { b.ToTable("People"); b.Property(p => p.Name).IsEncrypted(storage: EncryptedStorage.Text); });

    private static void TextWhileDecrypting(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Individual>(
            b => { b.ToTable("People"); b.Property(p => p.Name).IsEncrypted(storage: EncryptedStorage.Text).StorePlaintextDuringTransition(); });

    private static void PlainText(ModelBuilder modelBuilder) => modelBuilder.Entity<Individual>().ToTable("People");

    private static void Orders(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Order>(b => { b.ToTable("Orders"); b.Property(o => o.Note).IsEncrypted(); });

    private static void Searchable(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Notifier>(
            b =>
            {
                b.ToTable("Notifiers");
                b.Property(n => n.Name).HasMaxLength(50).IsEncrypted().HasBlindIndex(isUnique: true);
                b.Property(n => n.Code).HasMaxLength(50).IsEncrypted(EncryptionMode.Deterministic);
                b.HasIndex(n => n.Code).IsUnique();
            });

    public sealed class Individual
    {
        public int Id { get; set; }

        public string? Name { get; set; }
    }

    public sealed class Order
    {
        public int Id { get; set; }

        public string Note { get; set; } = "";
    }

    public sealed class Notifier : INotifyPropertyChanged
    {
        private int _id;
        private string _name = "";
        private string _code = "";

        public event PropertyChangedEventHandler? PropertyChanged;

        public int Id
        {
            get => _id;
            set => Set(ref _id, value, nameof(Id));
        }

        public string Name
        {
            get => _name;
            set => Set(ref _name, value, nameof(Name));
        }

        public string Code
        {
            get => _code;
            set => Set(ref _code, value, nameof(Code));
        }

        private void Set<T>(ref T field, T value, string name)
        {
            field = value;
            PropertyChanged?.Invoke(this, new PropertyChangedEventArgs(name));
        }
    }

    // What the version before generated for 'People': its tables were entities of the model.
    private static class EarlierVersion
    {
        private const string Tables = """
                modelBuilder.Entity("__EnvelopeKeys", b =>
                    {
                        b.Property<string>("Scope").HasMaxLength(200).IsUnicode(false).HasColumnName("Scope");
                        b.Property<int>("Version").HasColumnName("Version");
                        b.Property<string>("Commitment").IsRequired().HasMaxLength(64).IsUnicode(false).HasColumnName("Commitment");
                        b.Property<string>("CreatedAt").IsRequired().HasMaxLength(40).IsUnicode(false).HasColumnName("CreatedAt");
                        b.Property<string>("EncryptsFrom").HasMaxLength(40).IsUnicode(false).HasColumnName("EncryptsFrom");
                        b.Property<string>("EncryptsUntil").HasMaxLength(40).IsUnicode(false).HasColumnName("EncryptsUntil");
                        b.Property<string>("RetiredAt").HasMaxLength(40).IsUnicode(false).HasColumnName("RetiredAt");
                        b.Property<int>("Revision").HasColumnName("Revision");
                        b.Property<string>("SearchesFrom").HasMaxLength(40).IsUnicode(false).HasColumnName("SearchesFrom");
                        b.Property<string>("Status").IsRequired().HasMaxLength(20).IsUnicode(false).HasColumnName("Status");
                        b.Property<string>("UniqueFrom").HasMaxLength(40).IsUnicode(false).HasColumnName("UniqueFrom");
                        b.Property<string>("WrappedKey").HasColumnName("WrappedKey");
                        b.HasKey("Scope", "Version");
                        b.ToTable("__EnvelopeKeys", (string)null);
                    });

                modelBuilder.Entity("__EnvelopeMap", b =>
                    {
                        b.Property<string>("TableSchema").HasMaxLength(128).HasColumnName("TableSchema");
                        b.Property<string>("TableName").HasMaxLength(128).HasColumnName("TableName");
                        b.Property<string>("ColumnName").HasMaxLength(128).HasColumnName("ColumnName");
                        b.Property<string>("Definition").HasColumnName("Definition");
                        b.Property<string>("Field").IsRequired().HasMaxLength(256).HasColumnName("Field");
                        b.Property<string>("Mode").IsRequired().HasMaxLength(20).IsUnicode(false).HasColumnName("Mode");
                        b.Property<string>("PlaintextType").IsRequired().HasMaxLength(20).IsUnicode(false).HasColumnName("PlaintextType");
                        b.HasKey("TableSchema", "TableName", "ColumnName");
                        b.ToTable("__EnvelopeMap", (string)null);
                        b.HasData(new { TableSchema = "", TableName = "People", ColumnName = "Name", Field = "People.Name", Mode = "randomized", PlaintextType = "string" });
                    });

                modelBuilder.Entity("__EnvelopeUsage", b =>
                    {
                        b.Property<string>("Scope").HasMaxLength(200).IsUnicode(false).HasColumnName("Scope");
                        b.Property<int>("Version").HasColumnName("Version");
                        b.Property<string>("Field").HasMaxLength(256).HasColumnName("Field");
                        b.Property<long>("Reserved").HasColumnName("Reserved");
                        b.HasKey("Scope", "Version", "Field");
                        b.ToTable("__EnvelopeUsage", (string)null);
                    });
            """;

        private const string Model = $$"""
                modelBuilder.HasAnnotation("ProductVersion", "10.0.0");
                {{Tables}}

                modelBuilder.Entity("EfEnvelope.Specification.StoreTablesSpecification+Individual", b =>
                    {
                        b.Property<int>("Id").ValueGeneratedOnAdd()
                            .HasAnnotation("SqlServer:ValueGenerationStrategy", Microsoft.EntityFrameworkCore.Metadata.SqlServerValueGenerationStrategy.IdentityColumn)
                            .HasAnnotation("Npgsql:ValueGenerationStrategy", Npgsql.EntityFrameworkCore.PostgreSQL.Metadata.NpgsqlValueGenerationStrategy.IdentityByDefaultColumn);
                        b.Property<EfEnvelope.EntityFrameworkCore.Envelope>("Name")
                            .HasAnnotation("EfEnvelope:Context", "People.Name")
                            .HasAnnotation("EfEnvelope:Encrypted", "Randomized")
                            .HasAnnotation("EfEnvelope:PlaintextType", "string");
                        b.HasKey("Id");
                        b.ToTable("People", (string)null);
                    });
            """;

        public static ScaffoldedMigration Migration { get; } = new(
            ".cs", null,
            """
            using EfEnvelope.EntityFrameworkCore;
            using Microsoft.EntityFrameworkCore.Migrations;

            namespace Generated.Migrations
            {
                public partial class Step1 : Migration
                {
                    protected override void Up(MigrationBuilder migrationBuilder)
                    {
                        migrationBuilder.CreateTable(
                            name: "__EnvelopeKeys",
                            columns: table => new
                            {
                                Scope = table.Column<string>(unicode: false, maxLength: 200, nullable: false),
                                Version = table.Column<int>(nullable: false),
                                Status = table.Column<string>(unicode: false, maxLength: 20, nullable: false),
                                WrappedKey = table.Column<string>(nullable: true),
                                Commitment = table.Column<string>(unicode: false, maxLength: 64, nullable: false),
                                CreatedAt = table.Column<string>(unicode: false, maxLength: 40, nullable: false),
                                EncryptsFrom = table.Column<string>(unicode: false, maxLength: 40, nullable: true),
                                EncryptsUntil = table.Column<string>(unicode: false, maxLength: 40, nullable: true),
                                SearchesFrom = table.Column<string>(unicode: false, maxLength: 40, nullable: true),
                                UniqueFrom = table.Column<string>(unicode: false, maxLength: 40, nullable: true),
                                RetiredAt = table.Column<string>(unicode: false, maxLength: 40, nullable: true),
                                Revision = table.Column<int>(nullable: false)
                            },
                            constraints: table => table.PrimaryKey("PK___EnvelopeKeys", x => new { x.Scope, x.Version }));

                        migrationBuilder.CreateTable(
                            name: "__EnvelopeMap",
                            columns: table => new
                            {
                                TableSchema = table.Column<string>(maxLength: 128, nullable: false),
                                TableName = table.Column<string>(maxLength: 128, nullable: false),
                                ColumnName = table.Column<string>(maxLength: 128, nullable: false),
                                Field = table.Column<string>(maxLength: 256, nullable: false),
                                Mode = table.Column<string>(unicode: false, maxLength: 20, nullable: false),
                                PlaintextType = table.Column<string>(unicode: false, maxLength: 20, nullable: false),
                                Definition = table.Column<string>(nullable: true)
                            },
                            constraints: table => table.PrimaryKey("PK___EnvelopeMap", x => new { x.TableSchema, x.TableName, x.ColumnName }));

                        migrationBuilder.CreateTable(
                            name: "__EnvelopeUsage",
                            columns: table => new
                            {
                                Scope = table.Column<string>(unicode: false, maxLength: 200, nullable: false),
                                Version = table.Column<int>(nullable: false),
                                Field = table.Column<string>(maxLength: 256, nullable: false),
                                Reserved = table.Column<long>(nullable: false)
                            },
                            constraints: table => table.PrimaryKey("PK___EnvelopeUsage", x => new { x.Scope, x.Version, x.Field }));

                        migrationBuilder.CreateTable(
                            name: "People",
                            columns: table => new
                            {
                                Id = table.Column<int>(nullable: false)
                                    .Annotation("SqlServer:Identity", "1, 1").Annotation("Sqlite:Autoincrement", true)
                                    .Annotation("Npgsql:ValueGenerationStrategy", Npgsql.EntityFrameworkCore.PostgreSQL.Metadata.NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                                Name = table.Column<Envelope>(nullable: true)
                                    .Annotation("EfEnvelope:Context", "People.Name")
                                    .Annotation("EfEnvelope:Encrypted", "Randomized")
                                    .Annotation("EfEnvelope:PlaintextType", "string")
                            },
                            constraints: table => table.PrimaryKey("PK_People", x => x.Id));

                        migrationBuilder.InsertData(
                            table: "__EnvelopeMap",
                            columns: new[] { "ColumnName", "TableName", "TableSchema", "Definition", "Field", "Mode", "PlaintextType" },
                            values: new object[] { "Name", "People", "", null, "People.Name", "randomized", "string" });
                    }

                    protected override void Down(MigrationBuilder migrationBuilder)
                    {
                        migrationBuilder.DropTable(name: "__EnvelopeKeys");
                        migrationBuilder.DropTable(name: "__EnvelopeMap");
                        migrationBuilder.DropTable(name: "__EnvelopeUsage");
                        migrationBuilder.DropTable(name: "People");
                    }
                }
            }
            """,
            "20250101000000_Step1",
            $$"""
            using System.Collections.Generic;
            using EfEnvelope.Specification.TestUtilities;
            using Microsoft.EntityFrameworkCore;
            using Microsoft.EntityFrameworkCore.Infrastructure;
            using Microsoft.EntityFrameworkCore.Migrations;

            namespace Generated.Migrations
            {
                [DbContext(typeof(ModelContext))]
                [Migration("20250101000000_Step1")]
                partial class Step1
                {
                    protected override void BuildTargetModel(ModelBuilder modelBuilder)
                    {
                    {{Model}}
                    }
                }
            }
            """,
            "Generated.Migrations",
            $$"""
            using System.Collections.Generic;
            using EfEnvelope.Specification.TestUtilities;
            using Microsoft.EntityFrameworkCore;
            using Microsoft.EntityFrameworkCore.Infrastructure;

            namespace Generated.Migrations
            {
                [DbContext(typeof(ModelContext))]
                partial class ModelContextModelSnapshot : ModelSnapshot
                {
                    protected override void BuildModel(ModelBuilder modelBuilder)
                    {
                    {{Model}}
                    }
                }
            }
            """,
            "ModelContextModelSnapshot", "Generated.Migrations");

        public static IReadOnlyCollection<string> Sources => [Migration.MigrationCode, Migration.MetadataCode, Migration.SnapshotCode];
    }
}
