using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Design;
using Microsoft.Extensions.Logging;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Migrations as <c>dotnet ef</c> makes them: generated, compiled, applied, and followed by rows.</summary>
public abstract class MigrationSpecification(TestDatabase database) : MigratingSpecification(database)
{
    /// <summary>The type of a binary column of any length.</summary>
    protected abstract string BinaryType { get; }

    [Fact]
    public async Task First_migration_makes_envelope_columns_and_our_tables_and_rows_follow()
    {
        var migration = Scaffold(Person);

        Assert.Contains("table.Column<Envelope>(type: \"", migration.MigrationCode, StringComparison.Ordinal);
        Assert.Contains($"Notes = table.Column<Envelope>(type: \"{BinaryType}\", nullable: true)", migration.MigrationCode, StringComparison.Ordinal);
        Assert.Contains(".Annotation(\"EfEnvelope:Encrypted\", \"Randomized\")", migration.MigrationCode, StringComparison.Ordinal);
        Assert.Contains(".Annotation(\"EfEnvelope:Context\", \"People.Name\")", migration.MigrationCode, StringComparison.Ordinal);
        Assert.Contains(".Annotation(\"EfEnvelope:Tables\", \"__EnvelopeKeys, __EnvelopeUsage, __EnvelopeMap", migration.MigrationCode, StringComparison.Ordinal);
        Assert.DoesNotContain("name: \"__Envelope", migration.MigrationCode, StringComparison.Ordinal);

        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");
        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);
        Assert.Equal(
            ["Name", "Notes"],
            await Database.QueryAsync($"SELECT {Database.Quote("ColumnName")} FROM {Database.Quote("__EnvelopeMap")} ORDER BY 1"));
    }

    [Fact]
    public async Task Nothing_is_pending_after_a_migration_and_a_second_one_is_empty()
    {
        Scaffold(Person);
        await MigrateAsync(Person);

        await using (var context = Create(Person))
            Assert.False(context.Database.HasPendingModelChanges());
        await using (var changed = Create(PersonWithPhone))
            Assert.True(changed.Database.HasPendingModelChanges());
        var second = Scaffold(Person);

        Assert.DoesNotContain("migrationBuilder.", second.MigrationCode.Replace("MigrationBuilder migrationBuilder", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void The_migrations_history_has_none_of_our_tables()
    {
        using var context = Create(Person);

        var script = context.GetService<IHistoryRepository>().GetCreateScript();

        Assert.Contains("__EFMigrationsHistory", script, StringComparison.Ordinal);
        Assert.DoesNotContain("Envelope", script, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_without_encrypted_properties_gets_nothing()
    {
        var migration = Scaffold(PlainPerson);

        var code = (migration.MigrationCode + migration.SnapshotCode).Replace("EfEnvelope.Specification", "", StringComparison.Ordinal);
        Assert.DoesNotContain("Envelope", code, StringComparison.Ordinal);
        await MigrateAsync(PlainPerson);
        await SaveAsync(PlainPerson, "Ada");
        Assert.Equal("Ada", Assert.Single(await ReadAsync(PlainPerson)).Name);
        Assert.Equal(0, Kms.Wraps);
    }

    [Fact]
    public async Task Added_encrypted_property_is_added_to_the_map_and_old_rows_still_open()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");

        var migration = Scaffold(PersonWithPhone);
        await MigrateAsync(PersonWithPhone);
        await SaveAsync(PersonWithPhone, "Bea", p => p.Phone = "555-0100");

        var up = Up(migration);
        Assert.Contains("migrationBuilder.AddColumn<Envelope>(", up, StringComparison.Ordinal);
        Assert.Contains("[\\\"\\\",\\\"People\\\",\\\"Phone\\\",\\\"People.Phone\\\",\\\"randomized\\\",\\\"string\\\"]", up, StringComparison.Ordinal);
        Assert.Equal([("Ada", null), ("Bea", "555-0100")], (await ReadAsync(PersonWithPhone)).Select(p => (p.Name, p.Phone)));
    }

    [Fact]
    public async Task Removed_encrypted_property_is_removed_from_the_map()
    {
        Scaffold(PersonWithPhone);
        await MigrateAsync(PersonWithPhone);
        await SaveAsync(PersonWithPhone, "Ada", p => p.Phone = "555-0100");

        var migration = Scaffold(Person);
        await MigrateAsync(Person);

        Assert.Contains("migrationBuilder.DropColumn(", Up(migration), StringComparison.Ordinal);
        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);
        Assert.Equal(2, (await Database.QueryAsync($"SELECT {Database.Quote("ColumnName")} FROM {Database.Quote("__EnvelopeMap")}")).Count);
    }

    [Fact]
    public async Task Encryption_of_a_plain_column_in_place_is_refused_with_the_recipe()
    {
        Scaffold(PlainPerson);
        await MigrateAsync(PlainPerson);
        await SaveAsync(PlainPerson, "Ada");

        var e = Assert.Throws<EnvelopeConfigurationException>(() => Scaffold(Person));

        Assert.Contains("becomes encrypted in place", e.Message, StringComparison.Ordinal);
        Assert.Contains("'People.Name'", e.Message, StringComparison.Ordinal);
        Assert.Contains("'People.Notes'", e.Message, StringComparison.Ordinal);
        Assert.Contains("Add a new column", e.Message, StringComparison.Ordinal);
        Assert.Equal("Ada", Assert.Single(await ReadAsync(PlainPerson)).Name);
    }

    [Fact]
    public async Task Decryption_of_an_encrypted_column_in_place_is_refused_with_the_recipe()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");

        var e = Assert.Throws<EnvelopeConfigurationException>(() => Scaffold(PlainPerson));

        Assert.Contains("stops being encrypted in place", e.Message, StringComparison.Ordinal);
        Assert.Contains("Add a new column", e.Message, StringComparison.Ordinal);
        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);
    }

    [Fact]
    public async Task Plaintext_default_for_an_encrypted_column_is_refused()
    {
        Scaffold(Person);
        await MigrateAsync(Person);

        // What somebody writes by hand when the database refuses to add a required column.
        var migration = Scaffold(PersonWithPhone);
        var edited = migration.MigrationCode.Replace("nullable: true)", "nullable: false, defaultValueSql: \"'none'\")", StringComparison.Ordinal);
        Assert.NotEqual(migration.MigrationCode, edited);
        Migrations[^1] = Copy(migration, edited);
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => MigrateAsync(PersonWithPhone));

        Assert.Contains("'People.Phone'", e.Message, StringComparison.Ordinal);
        Assert.Contains("default", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("InsertData(\"People\", new[] { \"Id\", \"Name\" }, new object[] { 1, \"Ada\" })")]
    [InlineData("InsertData(\"people\", new[] { \"Id\", \"name\" }, new object[] { 1, new byte[] { 1 } })")]
    [InlineData("UpdateData(\"People\", \"Id\", 1, \"Name\", \"Ada\")")]
    public async Task Plaintext_data_for_an_encrypted_column_is_refused(string data)
    {
        var migration = Scaffold(Person);
        Migrations[^1] = Copy(migration, AddToUp(migration, data));
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => MigrateAsync(Person));

        Assert.Contains("'People.Name'", e.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("UseSeeding", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Ada", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DeleteData(\"People\", \"Name\", new byte[] { 1 })")]
    [InlineData("UpdateData(\"People\", \"Name\", new byte[] { 1 }, \"Id\", 2)")]
    public async Task Rows_are_not_looked_for_by_an_encrypted_value(string data)
    {
        var migration = Scaffold(Person);
        Migrations[^1] = Copy(migration, AddToUp(migration, data));
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => MigrateAsync(Person));

        Assert.StartsWith("Column 'People.Name' is encrypted, but the migration looks for rows by its value", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Default_for_an_encrypted_column_that_is_added_as_bytes_is_refused()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        var migration = Scaffold(PersonWithPhone);
        var start = migration.MigrationCode.IndexOf("migrationBuilder.AddColumn<Envelope>(", StringComparison.Ordinal);
        var end = migration.MigrationCode.IndexOf(';', start);
        Migrations[^1] = Copy(
            migration,
            $"{migration.MigrationCode[..start]}migrationBuilder.AddColumn<byte[]>(\"Phone\", \"People\", nullable: false, defaultValue: new byte[] {{ 1 }}){migration.MigrationCode[end..]}");
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => MigrateAsync(PersonWithPhone));

        Assert.StartsWith("Column 'People.Phone' is encrypted, but the migration gives it a default value", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migration_that_was_written_by_hand_is_refused_before_it_runs_with_all_its_faults()
    {
        Scaffold(PlainPerson);
        await MigrateAsync(PlainPerson);
        await SaveAsync(PlainPerson, "Ada");
        Scaffold(PlainPersonWithAge);
        var last = Migrations[^1];
        Migrations[^1] = Copy(
            last,
            AddToUp(
                last,
                "AlterColumn<EfEnvelope.EntityFrameworkCore.Envelope>(\"Name\", \"People\", oldClrType: typeof(string)); "
                + "migrationBuilder.AlterColumn<EfEnvelope.EntityFrameworkCore.Envelope>(\"Notes\", \"People\", nullable: true, oldClrType: typeof(string))"));

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => MigrateAsync(PlainPersonWithAge));

        Assert.Contains("'People.Name' becomes encrypted in place", e.Message, StringComparison.Ordinal);
        Assert.Contains("'People.Notes' becomes encrypted in place", e.Message, StringComparison.Ordinal);
        Assert.Equal("Ada", Assert.Single(await ReadAsync(PlainPerson)).Name);
    }

    [Fact]
    public async Task Null_in_the_data_for_an_encrypted_column_is_inserted()
    {
        var migration = Scaffold(Person);
        Migrations[^1] = Copy(migration, AddToUp(migration, "UpdateData(\"People\", \"Id\", 1, \"Notes\", null)"));
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");

        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);
    }

    [Fact]
    public async Task Renamed_column_with_its_old_context_keeps_its_rows()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");

        var migration = Scaffold(RenamedColumnSameContext);
        await MigrateAsync(RenamedColumnSameContext);
        await SaveAsync(RenamedColumnSameContext, "Bea");

        Assert.Contains("migrationBuilder.RenameColumn(", Up(migration), StringComparison.Ordinal);
        Assert.Equal(["Ada", "Bea"], (await ReadAsync(RenamedColumnSameContext)).Select(p => p.Name));
    }

    [Fact]
    public async Task Renamed_table_with_its_old_contexts_keeps_its_rows()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");

        var migration = Scaffold(RenamedTableSameContext);
        await MigrateAsync(RenamedTableSameContext);

        Assert.Contains("migrationBuilder.RenameTable(", Up(migration), StringComparison.Ordinal);
        Assert.Equal("Ada", Assert.Single(await ReadAsync(RenamedTableSameContext)).Name);
    }

    [Fact]
    public async Task Renamed_column_without_its_old_context_is_refused_and_told_which()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");

        var e = Assert.Throws<EnvelopeConfigurationException>(() => Scaffold(RenamedColumn));

        Assert.Contains("'People.Name'", e.Message, StringComparison.Ordinal);
        Assert.Contains("'People.FullName'", e.Message, StringComparison.Ordinal);
        Assert.Contains("Context = \"People.Name\"", e.Message, StringComparison.Ordinal);
        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);
    }

    [Fact]
    public async Task Renamed_table_without_its_old_contexts_is_refused_and_told_which()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");

        var e = Assert.Throws<EnvelopeConfigurationException>(() => Scaffold(RenamedTable));

        Assert.Contains("Context = \"People.N", e.Message, StringComparison.Ordinal);
        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);
    }

    [Theory]
    [InlineData("another CLR type", "Age", "int32", "int64")]
    [InlineData("another codec", "Notes", "string", "bytes")]
    public async Task Changed_type_of_an_encrypted_column_in_place_is_refused_with_the_recipe(string change, string column, string old, string type)
    {
        Scaffold(PersonWithAge);
        await MigrateAsync(PersonWithAge);
        await SaveAsync(PersonWithAge, "Ada", p => p.Notes = "Countess");

        Action<ModelBuilder> changed = change == "another CLR type" ? PersonWithLongAge : PersonWithNotesAsBytes;
        var e = Assert.Throws<EnvelopeConfigurationException>(() => Scaffold(changed));

        Assert.Equal(
            $"The values in column 'People.{column}' are bound to the type '{old}', which would become '{type}', so that none of them opened. Add a new column for the new type ('HasColumnName'), copy the values through EF Core, then drop the old column.",
            e.Message);
        Assert.Equal([("Ada", "Countess")], (await ReadAsync(PersonWithAge)).Select(p => (p.Name, p.Notes)));
    }

    [Fact]
    public async Task New_column_for_another_type_keeps_the_values_as_the_recipe_says()
    {
        Scaffold(PersonWithAge);
        await MigrateAsync(PersonWithAge);
        await using (var context = Create(PersonWithAge))
        {
            context.Add(new Human { Name = "Ada" }).Property<int>("Age").CurrentValue = 36;
            await context.SaveChangesAsync();
        }

        Scaffold(PersonWithBothAges);
        await MigrateAsync(PersonWithBothAges);
        await using (var context = Create(PersonWithBothAges))
        {
            var person = await context.Set<Human>().SingleAsync();
            context.Entry(person).Property<long?>("LongAge").CurrentValue = context.Entry(person).Property<int>("Age").CurrentValue;
            await context.SaveChangesAsync();
        }

        Scaffold(PersonWithLongAgeInItsOwnColumn);
        await MigrateAsync(PersonWithLongAgeInItsOwnColumn);

        await using var reader = Create(PersonWithLongAgeInItsOwnColumn);
        Assert.Equal(36, await reader.Set<Human>().Select(p => EF.Property<long?>(p, "Age")).SingleAsync());
    }

    [Fact]
    public async Task Longer_text_keeps_rows()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");

        var migration = Scaffold(LongerName);
        await MigrateAsync(LongerName);
        await SaveAsync(LongerName, new string('ß', 100));

        // Only SQL Server's binary columns have a length.
        Assert.Equal(BinaryType.StartsWith("varbinary", StringComparison.Ordinal), Up(migration).Contains("varbinary(333)", StringComparison.Ordinal));
        Assert.Equal(["Ada", new string('ß', 100)], (await ReadAsync(LongerName)).Select(p => p.Name));
    }

    [Fact]
    public async Task Migrations_go_down_again()
    {
        Scaffold(Person);
        await MigrateAsync(Person);
        await SaveAsync(Person, "Ada");
        Scaffold(PersonWithPhone);
        await MigrateAsync(PersonWithPhone);

        await using (var context = Create(PersonWithPhone, CompileAll()))
            await context.Database.MigrateAsync(Migrations[0].MigrationId);
        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);

        await using (var context = Create(Person, CompileAll()))
            await context.Database.MigrateAsync(Migration.InitialDatabase);
        await Assert.ThrowsAnyAsync<Exception>(() => Database.QueryAsync($"SELECT 1 FROM {Database.Quote("People")}"));
        Assert.Empty(await Database.QueryAsync($"SELECT {Database.Quote("ColumnName")} FROM {Database.Quote("__EnvelopeMap")}"));
        Assert.Single(await Database.QueryAsync($"SELECT 1 FROM {Database.Quote("__EnvelopeKeys")} WHERE {Database.OfApplications}"));
    }

    [Fact]
    public async Task Idempotent_and_plain_scripts_hold_our_tables_and_no_key()
    {
        Scaffold(Person);
        await using var context = Create(Person, CompileAll());

        var script = context.GetService<IMigrator>().GenerateScript();

        Assert.Contains("__EnvelopeKeys", script, StringComparison.Ordinal);
        Assert.DoesNotContain("<envelope>", script, StringComparison.Ordinal);
        Assert.Equal(0, Kms.Wraps);
    }

    [Fact]
    public async Task Missing_key_table_is_told_plainly_and_migrating_mends_it_at_once()
    {
        Scaffold(Person);
        await using (var context = Create(Person))
        {
            context.Add(new Human { Name = "Ada" });
            var e = (await Assert.ThrowsAsync<DbUpdateException>(() => context.SaveChangesAsync())).InnerException;
            Assert.IsType<KeyUnavailableException>(e);
            Assert.Contains("'__EnvelopeKeys'", e.Message, StringComparison.Ordinal);
            Assert.Contains("add a migration", e.Message, StringComparison.Ordinal);
        }

        await using (var context = Create(Person))
            Assert.Throws<KeyUnavailableException>(() => context.Set<Human>().ToList());
        await using (var context = Create(Person, CompileAll()))
            context.Database.Migrate();
        await SaveAsync(Person, "Ada");

        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);
    }

    [Fact]
    public async Task Migration_and_seeding_run_in_one_call()
    {
        Scaffold(Person);
        var assembly = CompileAll();
        var builder = new DbContextOptionsBuilder<ModelContext>(Create(Person, assembly).GetService<IDbContextOptions>() as DbContextOptions<ModelContext> ?? throw new InvalidOperationException());
        builder.UseAsyncSeeding(
            async (context, _, cancellationToken) =>
            {
                context.Set<Human>().Add(new Human { Name = "Ada" });
                await context.SaveChangesAsync(cancellationToken);
            });
        await using (var context = new ModelContext(builder.Options, Person))
            await context.Database.MigrateAsync();

        Assert.Equal("Ada", Assert.Single(await ReadAsync(Person)).Name);
    }

    [Fact]
    public async Task Database_made_anew_gets_fresh_keys_that_another_process_can_use()
    {
        await using (var context = Create(Person))
            await context.Database.EnsureCreatedAsync();
        await SaveAsync(Person, "Ada");
        await using (var context = Create(Person))
        {
            await context.Database.EnsureDeletedAsync();
            await context.Database.EnsureCreatedAsync();
        }

        await SaveAsync(Person, "Bea");

        Assert.Equal("Bea", Assert.Single(await ReadAsync(Person)).Name);
        await using var cold = Create(Person, configure: e => e.Configure(o => o with { NegativeCacheTime = TimeSpan.FromSeconds(3) }));
        Assert.Equal("Bea", (await cold.Set<Human>().SingleAsync()).Name);
        Assert.Equal(2, Kms.Wraps);
    }

    [Fact]
    public async Task Database_made_anew_by_the_synchronous_calls_gets_fresh_keys_too()
    {
        using (var context = Create(Person))
        {
            context.Database.EnsureCreated();
            context.Add(new Human { Name = "Ada" });
            context.SaveChanges();
            context.ChangeTracker.Clear();
            context.Database.EnsureDeleted();
            context.Database.EnsureCreated();
            context.Add(new Human { Name = "Bea" });
            context.SaveChanges();
        }

        await using var cold = Create(Person, configure: e => e.Configure(o => o with { NegativeCacheTime = TimeSpan.FromSeconds(3) }));
        Assert.Equal("Bea", (await cold.Set<Human>().SingleAsync()).Name);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tables_are_created_without_a_warning(bool synchronous)
    {
        var log = new List<string>();
        var builder = new DbContextOptionsBuilder<ModelContext>((DbContextOptions<ModelContext>)Create(Person).GetService<IDbContextOptions>())
            .UseLoggerFactory(new LoggerFactory([new ListLogger(log)]));
        await using var context = new ModelContext(builder.Options, Person);
        Assert.True(synchronous ? context.Database.EnsureCreated() : await context.Database.EnsureCreatedAsync());
        context.Add(new Human { Name = "Ada" });
        await context.SaveChangesAsync();

        Assert.DoesNotContain(log, l => l.Contains("key ring", StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("snake case")]
    [InlineData("snake case, finalizing")]
    [InlineData("short strings")]
    [InlineData("converted strings")]
    [InlineData("converted numbers")]
    [InlineData("fixed types")]
    [InlineData("default schema")]
    public async Task Conventions_of_the_application_do_not_change_our_tables(string kind)
    {
        var (build, conventions) = ConventionOf(kind);
        await using (var context = Create(build, conventions: conventions))
        {
            await context.Database.EnsureCreatedAsync();
            Assert.DoesNotContain(context.Model.GetEntityTypes(), t => t.Name.StartsWith("__Envelope", StringComparison.Ordinal));
        }

        var name = kind == "short strings" ? "Grace" : "Grace Brewster Murray Hopper";
        await using (var context = Create(build, conventions: conventions))
        {
            context.Add(new Human { Name = name, Notes = "Rear admiral" });
            await context.SaveChangesAsync();
            await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
        }

        await using (var context = Create(build, conventions: conventions, configure: e => e.Configure(o => o with { NegativeCacheTime = TimeSpan.FromSeconds(3) })))
        {
            context.Add(new Human { Name = name, Notes = "Rear admiral" });
            await context.SaveChangesAsync();
            var stored = await context.Set<Human>().AsNoTracking().ToListAsync();
            Assert.Equal(2, stored.Count);
            Assert.All(stored, p => Assert.Equal((name, "Rear admiral"), (p.Name, p.Notes)));
            Assert.Equal(2, (await context.Database.GetEnvelopeKeysAsync()).Count);
        }
    }

    private static (Action<ModelBuilder> Build, Action<ModelConfigurationBuilder>? Conventions) ConventionOf(string kind)
        => kind switch
        {
            "snake case" => (Person, c => c.Conventions.Add(_ => new SnakeCaseConvention())),
            "snake case, finalizing" => (Person, c => c.Conventions.Add(_ => new FinalSnakeCaseConvention())),
            "short strings" => (Person, c => c.Properties<string>().HaveMaxLength(10).AreUnicode(false).AreFixedLength()),
            "converted strings" => (Person, c => c.Properties<string>().HaveConversion<ReversingConverter>()),
            "converted numbers" => (Person, Converted),
            "fixed types" => (FixedTypes, Typed),
            "default schema" => (WithSchema, null),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };

    private static void Converted(ModelConfigurationBuilder conventions)
    {
        conventions.Properties<int>().HaveConversion<long>();
        conventions.Properties<long>().HaveConversion<string>();
    }

    private static void Typed(ModelConfigurationBuilder conventions)
    {
        conventions.Properties<string>().HaveColumnType("char(10)");
        conventions.Properties<long>().HaveColumnType("smallint");
    }

    // An application with such a convention takes it back where a property is encrypted.
    private static void FixedTypes(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.Entity<Human>().Property(p => p.Name).HasColumnType(null);
        modelBuilder.Entity<Human>().Property(p => p.Notes).HasColumnType(null);
    }

    private static void WithSchema(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.HasDefaultSchema("clinic");
    }

    private static void Person(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Human>(
            b =>
            {
                b.ToTable("People");
                b.Property(p => p.Name).HasMaxLength(50).IsEncrypted();
                b.Property(p => p.Notes).IsEncrypted();
                b.Ignore(p => p.Phone);
            });

    private static void PlainPerson(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Human>(
            b =>
            {
                b.ToTable("People");
                b.Property(p => p.Name).HasMaxLength(50);
                b.Ignore(p => p.Phone);
            });

    private static void PersonWithPhone(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Human>(
            b =>
            {
                b.ToTable("People");
                b.Property(p => p.Name).HasMaxLength(50).IsEncrypted();
                b.Property(p => p.Notes).IsEncrypted();
                b.Property(p => p.Phone).IsEncrypted();
            });

    // Shadow properties, so that one class can have them in several types.
    private static void PersonWithAge(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.Entity<Human>().Property<int>("Age").IsEncrypted();
    }

    private static void PlainPersonWithAge(ModelBuilder modelBuilder)
    {
        PlainPerson(modelBuilder);
        modelBuilder.Entity<Human>().Property<int>("Age");
    }

    private static void PersonWithLongAge(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.Entity<Human>().Property<long>("Age").IsEncrypted();
    }

    private static void PersonWithBothAges(ModelBuilder modelBuilder)
    {
        PersonWithAge(modelBuilder);
        modelBuilder.Entity<Human>().Property<long?>("LongAge").IsEncrypted();
    }

    private static void PersonWithLongAgeInItsOwnColumn(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.Entity<Human>().Property<long?>("Age").HasColumnName("LongAge").IsEncrypted();
    }

    private static void PersonWithNotesAsBytes(ModelBuilder modelBuilder)
    {
        PersonWithAge(modelBuilder);
        modelBuilder.Entity<Human>().Property(p => p.Notes).HasConversion<byte[]>();
    }

    private static void LongerName(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.Entity<Human>().Property(p => p.Name).HasMaxLength(100);
    }

    private static void RenamedColumn(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.Entity<Human>().Property(p => p.Name).HasColumnName("FullName");
    }

    private static void RenamedColumnSameContext(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.Entity<Human>().Property(p => p.Name).HasColumnName("FullName").IsEncrypted(context: "People.Name");
    }

    private static void RenamedTable(ModelBuilder modelBuilder)
    {
        Person(modelBuilder);
        modelBuilder.Entity<Human>().ToTable("Humans");
    }

    private static void RenamedTableSameContext(ModelBuilder modelBuilder)
    {
        RenamedTable(modelBuilder);
        modelBuilder.Entity<Human>().Property(p => p.Name).IsEncrypted(context: "People.Name");
        modelBuilder.Entity<Human>().Property(p => p.Notes).IsEncrypted(context: "People.Notes");
    }

    private async Task SaveAsync(Action<ModelBuilder> build, string name, Action<Human>? change = null)
    {
        await using var context = Create(build);
        var person = new Human { Name = name };
        change?.Invoke(person);
        context.Add(person);
        await context.SaveChangesAsync();
    }

    private async Task<List<Human>> ReadAsync(Action<ModelBuilder> build)
    {
        await using var context = Create(build);
        return await context.Set<Human>().OrderBy(p => p.Id).ToListAsync();
    }

    public sealed class Human
    {
        public int Id { get; set; }

        public string Name { get; set; } = "";

        public string? Notes { get; set; }

        public string? Phone { get; set; }
    }

    private sealed class ListLogger(List<string> log) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (log)
                log.Add(formatter(state, exception));
        }

        public void Dispose()
        {
        }
    }
}
