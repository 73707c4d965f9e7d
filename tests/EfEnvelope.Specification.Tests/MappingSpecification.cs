using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Every way in which EF Core maps a class to columns keeps its encrypted properties encrypted and readable.</summary>
public abstract class MappingSpecification(TestDatabase database) : AdHocSpecification(database)
{
    [Fact]
    public async Task An_owned_type_in_its_owners_table_is_encrypted()
    {
        await CreateAsync(b => MapPerson(b).OwnsOne(p => p.Address, a => a.OwnsOne(x => x.Place)));
        await SaveAsync(NewPerson(1), new Person { Id = 2, Name = "Alan" });

        await using (var db = Open())
        {
            var people = await db.Set<Person>().OrderBy(p => p.Id).ToListAsync();
            Assert.Equal(("Analytical Street", "nested-secret"), (people[0].Address!.Street, people[0].Address!.Place!.Code));
            Assert.Null(people[1].Address);
            Assert.Equal("nested-secret", db.Set<Person>().Where(p => p.Id == 1).Select(p => p.Address!.Place!.Code).Single());
            people[0].Address!.Place!.Code = "changed-secret";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
            Assert.Equal("changed-secret", (await db.Set<Person>().SingleAsync(p => p.Address!.Place!.Code != null)).Address!.Place!.Code);
        await AssertEncryptedAsync("People", "Address_Street", "Analytical");
        await AssertEncryptedAsync("People", "Address_Place_Code", "secret");
    }

    [Fact]
    public async Task An_owned_type_in_its_own_table_is_encrypted()
    {
        await CreateAsync(b => MapPerson(b).OwnsOne(p => p.Address, a => a.ToTable("Addresses").OwnsOne(x => x.Place, x => x.ToTable("Places"))));
        await SaveAsync(NewPerson(1));

        await using var db = Open();
        var person = await db.Set<Person>().SingleAsync();
        Assert.Equal(("Analytical Street", "nested-secret"), (person.Address!.Street, person.Address!.Place!.Code));
        await AssertEncryptedAsync("Addresses", "Street", "Analytical");
        await AssertEncryptedAsync("Places", "Code", "secret");
    }

    [Fact]
    public async Task An_owned_collection_is_encrypted()
    {
        await CreateAsync(b => MapPerson(b).Ignore(p => p.Address).OwnsMany(p => p.Phones, a => a.ToTable("Phones").HasKey("Id")));
        var person = NewPerson(1);
        person.Phones.AddRange([new Phone { Number = "555-1000" }, new Phone { Number = "555-2000" }]);
        await SaveAsync(person);

        await using (var db = Open())
        {
            var read = await db.Set<Person>().SingleAsync();
            Assert.Equal(["555-1000", "555-2000"], read.Phones.Select(p => p.Number).Order());
            Assert.Equal(["555-1000", "555-2000"], db.Set<Person>().SelectMany(p => p.Phones.Select(x => x.Number)).ToList().Order());
            read.Phones.RemoveAll(p => p.Number == "555-1000");
            read.Phones[0].Number = "555-3000";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
            Assert.Equal("555-3000", Assert.Single(db.Set<Person>().Single().Phones).Number);
        await AssertEncryptedAsync("Phones", "Number", "555-");
    }

    [Fact]
    public async Task One_owned_type_used_twice_has_two_contexts()
    {
        await CreateAsync(
            b => b.Entity<Letter>(
                e =>
                {
                    e.ToTable("Letters").Property(l => l.Id).ValueGeneratedNever();
                    e.OwnsOne(l => l.From, a => a.Ignore(x => x.Place));
                    e.OwnsOne(l => l.To, a => a.Ignore(x => x.Place));
                }));
        await SaveAsync(new Letter { Id = 1, From = new Address { Street = "from-secret" }, To = new Address { Street = "to-secret" } });
        await using (var db = Open())
        {
            var letter = await db.Set<Letter>().SingleAsync();
            Assert.Equal(("from-secret", "to-secret"), (letter.From.Street, letter.To.Street));
        }

        await Database.QueryAsync($"UPDATE {Database.Quote("Letters")} SET {Database.Quote("From_Street")} = {Database.Quote("To_Street")}");
        await using (var db = Open())
            await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => db.Set<Letter>().ToListAsync());
    }

    [Fact]
    public async Task Complex_types_are_encrypted_however_deep()
    {
        await CreateAsync(
            b =>
            {
                var person = b.Entity<Complex>();
                person.ToTable("People").Property(p => p.Id).ValueGeneratedNever();
                person.ComplexProperty(p => p.Home, h => h.ComplexProperty(x => x.Place));
                person.ComplexProperty(p => p.Work, h => h.Ignore(x => x.Place));
            });
        await SaveAsync(
            new Complex { Id = 1, Home = new Address { Street = "home-secret", Place = new Place { Code = "nested-secret" } } },
            new Complex { Id = 2, Home = new Address { Street = "second-secret", Place = new Place() }, Work = new Address { Street = "work-secret" } });

        await using (var db = Open())
        {
            var read = await db.Set<Complex>().OrderBy(p => p.Id).ToListAsync();
            Assert.Equal(("home-secret", "nested-secret"), (read[0].Home.Street, read[0].Home.Place!.Code));
            Assert.Null(read[0].Work);
            Assert.Equal("work-secret", read[1].Work!.Street);
            Assert.Equal("nested-secret", db.Set<Complex>().Where(p => p.Id == 1).Select(p => p.Home.Place!.Code).Single());
            Assert.Equal("home-secret", db.Set<Complex>().Where(p => p.Id == 1).Select(p => p.Home).Single().Street);
            read[0].Work = new Address { Street = "new-secret" };
            read[1].Work = null;
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            var read = db.Set<Complex>().OrderBy(p => p.Id).ToList();
            Assert.Equal(("new-secret", null), (read[0].Work?.Street, read[1].Work?.Street));
        }

        await AssertEncryptedAsync("People", "Home_Street", "secret");
        await AssertEncryptedAsync("People", "Home_Place_Code", "nested");
        await AssertEncryptedAsync("People", "Work_Street", "secret");
    }

    [Fact]
    public async Task A_property_of_a_complex_type_is_encrypted_fluently()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Plain>().ToTable("Plains").Property(p => p.Id).ValueGeneratedNever();
                b.Entity<Plain>().ComplexProperty(p => p.Part, x => x.Property(p => p.Text).IsEncrypted());
            });
        await SaveAsync(new Plain { Id = 1, Part = new Part { Text = "part-secret" } });
        await using var db = Open();
        Assert.Equal("part-secret", (await db.Set<Plain>().SingleAsync()).Part.Text);
        await AssertEncryptedAsync("Plains", "Part_Text", "secret");
    }

    [Fact]
    public async Task Siblings_of_one_table_share_an_encrypted_column()
    {
        await CreateAsync(
            b =>
            {
                MapAnimals(b).ToTable("Animals").HasDiscriminator<string>("Kind");
                b.Entity<Dog>().Property(d => d.Chip).HasColumnName("Chip");
                b.Entity<Cat>().Property(c => c.Chip).HasColumnName("Chip");
            });
        await AssertHierarchyAsync();
        await AssertEncryptedAsync("Animals", "Name", "Rex", "Tom");
        Assert.Equal(3, (await ReadStoredAsync("Animals", "Chip")).Count(v => v is not null));
        await AssertEncryptedAsync("Animals", "Chip", "chip");
    }

    [Fact]
    public async Task A_hierarchy_with_a_table_per_type_is_encrypted()
    {
        await CreateAsync(
            b =>
            {
                MapAnimals(b).UseTptMappingStrategy().ToTable("Animals");
                b.Entity<Dog>().ToTable("Dogs");
                b.Entity<Puppy>().ToTable("Puppies");
                b.Entity<Cat>().ToTable("Cats");
            });
        await AssertHierarchyAsync();
        await AssertEncryptedAsync("Animals", "Name", "Rex", "Tom");
        await AssertEncryptedAsync("Dogs", "Chip", "chip");
        await AssertEncryptedAsync("Cats", "Chip", "chip");
    }

    [Fact]
    public async Task A_hierarchy_with_a_table_per_concrete_type_is_encrypted()
    {
        await CreateAsync(
            b =>
            {
                MapAnimals(b).UseTpcMappingStrategy();
                b.Entity<Dog>().ToTable("Dogs");
                b.Entity<Puppy>().ToTable("Puppies");
                b.Entity<Cat>().ToTable("Cats");
            });
        await AssertHierarchyAsync();
        foreach (var table in new[] { "Dogs", "Cats", "Puppies" })
        {
            await AssertEncryptedAsync(table, "Name", "Rex", "Tom", "Pup");
            await AssertEncryptedAsync(table, "Chip", "chip");
        }
    }

    [Fact]
    public async Task A_further_concrete_type_changes_no_context()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Animal>().UseTpcMappingStrategy().Property(a => a.Id).ValueGeneratedNever();
                b.Entity<Dog>().ToTable("Dogs");
            });
        await SaveAsync(new Dog { Id = 1, Name = "Rex", Chip = "chip-1" });
        var grown = new AdHocModel(
            b =>
            {
                b.Entity<Animal>().UseTpcMappingStrategy().Property(a => a.Id).ValueGeneratedNever();
                b.Entity<Dog>().ToTable("Dogs");
                b.Entity<Cat>().ToTable("Cats");
            });
        await using var db = Open(grown);
        var dog = await db.Set<Dog>().SingleAsync();
        Assert.Equal(("Rex", "chip-1"), (dog.Name, dog.Chip));
    }

    [Fact]
    public async Task Two_entity_types_on_one_table_share_an_encrypted_column()
    {
        await CreateAsync(MapSplitTable);
        await SaveAsync(new Summary { Id = 1, Title = "Title", Secret = "shared-secret", Detail = new Detail { Id = 1, Text = "detail-secret", Secret = "shared-secret" } });

        await using (var db = Open())
        {
            var summary = await db.Set<Summary>().Include(s => s.Detail).SingleAsync();
            Assert.Equal(("shared-secret", "shared-secret", "detail-secret"), (summary.Secret, summary.Detail.Secret, summary.Detail.Text));
            summary.Secret = "new-secret";
            summary.Detail.Secret = "new-secret";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            Assert.Equal("new-secret", (await db.Set<Detail>().SingleAsync()).Secret);
            (await db.Set<Summary>().SingleAsync()).Title = "Other";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
            Assert.Equal(("Other", "new-secret"), (db.Set<Summary>().Single().Title, db.Set<Summary>().Single().Secret));
        await AssertEncryptedAsync("Documents", "Secret", "secret");
    }

    [Fact]
    public async Task Different_values_for_one_shared_column_are_refused()
    {
        await CreateAsync(MapSplitTable);
        await using var db = Open();
        db.Add(new Summary { Id = 1, Secret = "one-secret", Detail = new Detail { Id = 1, Secret = "other-secret" } });
        var e = await Assert.ThrowsAsync<InvalidOperationException>(() => db.SaveChangesAsync());
        Assert.Contains("mapped to the same row", e.Message);
        Assert.Empty(await ReadStoredAsync("Documents", "Secret"));
    }

    [Fact]
    public async Task One_entity_type_on_two_tables_is_encrypted_in_both()
    {
        await CreateAsync(
            b => b.Entity<Person>(
                e =>
                {
                    e.Ignore(p => p.Address).Ignore(p => p.Phones);
                    e.Property(p => p.Id).ValueGeneratedNever();
                    e.Property(p => p.Name).IsEncrypted();
                    e.ToTable("People").SplitToTable("PeopleMore", t => t.Property(p => p.Ssn));
                }));
        await SaveAsync(new Person { Id = 1, Name = "name-secret", Ssn = "ssn-secret" });
        await using (var db = Open())
        {
            var person = await db.Set<Person>().SingleAsync();
            Assert.Equal(("name-secret", "ssn-secret"), (person.Name, person.Ssn));
            person.Ssn = "new-secret";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
            Assert.Equal("new-secret", db.Set<Person>().Select(p => p.Ssn).Single());
        await AssertEncryptedAsync("People", "Name", "secret");
        await AssertEncryptedAsync("PeopleMore", "Ssn", "secret");
    }

    [Fact]
    public async Task A_view_reads_values_of_the_column_that_its_context_names()
    {
        await CreateAsync(
            b =>
            {
                MapPerson(b).Ignore(p => p.Address);
                b.Entity<PersonView>().HasNoKey().ToView("PeopleView").Property(v => v.Ssn).IsEncrypted(context: "People.Ssn");
            });
        await SaveAsync(NewPerson(1));
        await Database.QueryAsync(
            $"CREATE VIEW {Database.Quote("PeopleView")} AS SELECT {Database.Quote("Name")}, {Database.Quote("Ssn")} FROM {Database.Quote("People")}");

        await using var db = Open();
        Assert.Equal("ssn-secret", (await db.Set<PersonView>().SingleAsync()).Ssn);
        Assert.Equal("ssn-secret", db.Set<PersonView>().Where(v => v.Name == "Ada").Select(v => v.Ssn).Single());
    }

    [Fact]
    public async Task A_keyless_type_on_a_query_reads_values_of_the_column_that_its_context_names()
    {
        await CreateAsync(
            b =>
            {
                MapPerson(b).Ignore(p => p.Address);
                b.Entity<PersonView>().HasNoKey()
                    .ToSqlQuery($"SELECT {Database.Quote("Name")}, {Database.Quote("Ssn")} FROM {Database.Quote("People")}")
                    .AllowSqlOverCiphertext()
                    .Property(v => v.Ssn).IsEncrypted(context: "People.Ssn");
            });
        await SaveAsync(NewPerson(1));
        await using var db = Open();
        Assert.Equal("ssn-secret", (await db.Set<PersonView>().SingleAsync()).Ssn);
    }

    [Fact]
    public async Task The_payload_of_a_many_to_many_join_is_encrypted()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Student>().ToTable("Students").Property(s => s.Id).ValueGeneratedNever();
                b.Entity<Course>().ToTable("Courses").Property(c => c.Id).ValueGeneratedNever();
                b.Entity<Student>().HasMany(s => s.Courses).WithMany(c => c.Students)
                    .UsingEntity<Enrolment>(l => l.HasOne<Course>().WithMany(c => c.Enrolments), r => r.HasOne<Student>().WithMany(s => s.Enrolments))
                    .ToTable("Enrolments");
            });
        var student = new Student { Id = 1, Courses = { new Course { Id = 2 } } };
        await using (var db = Open())
        {
            db.Add(student);
            db.ChangeTracker.DetectChanges();
            db.ChangeTracker.Entries<Enrolment>().Single().Entity.Grade = "grade-secret";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            var read = await db.Set<Student>().Include(s => s.Courses).Include(s => s.Enrolments).SingleAsync();
            Assert.Equal("grade-secret", read.Enrolments.Single().Grade);
            Assert.Equal(2, read.Courses.Single().Id);
        }

        await AssertEncryptedAsync("Enrolments", "Grade", "secret");
    }

    [Fact]
    public async Task A_primitive_collection_is_encrypted_as_one_value()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Tagged>().ToTable("Tagged").Property(t => t.Id).ValueGeneratedNever();
                b.Entity<Tagged>().PrimitiveCollection(t => t.Numbers).IsEncrypted();
            });
        await SaveAsync(new Tagged { Id = 1, Words = ["word-secret"], Numbers = [1, 2] });
        await using (var db = Open())
        {
            var read = await db.Set<Tagged>().SingleAsync();
            Assert.Equal(["word-secret"], read.Words);
            Assert.Equal([1, 2], read.Numbers);
            Assert.Equal([1, 2], db.Set<Tagged>().Select(t => t.Numbers).Single());
        }

        await AssertEncryptedAsync("Tagged", "Words", "secret");
        await AssertEncryptedAsync("Tagged", "Numbers", "[1,2]");
    }

    [Fact]
    public async Task A_property_bag_is_encrypted()
    {
        await CreateAsync(
            b => b.SharedTypeEntity<Dictionary<string, object>>(
                "Bag",
                e =>
                {
                    e.ToTable("Bags").Property<int>("Id").ValueGeneratedNever();
                    e.Property<string>("Secret").IsEncrypted();
                }));
        await using (var db = Open())
        {
            db.Set<Dictionary<string, object>>("Bag").Add(new Dictionary<string, object> { ["Id"] = 1, ["Secret"] = "bag-secret" });
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
            Assert.Equal("bag-secret", (await db.Set<Dictionary<string, object>>("Bag").SingleAsync())["Secret"]);
        await AssertEncryptedAsync("Bags", "Secret", "secret");
    }

    [Fact]
    public async Task A_table_in_a_schema_with_odd_names_is_encrypted()
    {
        Assert.SkipWhen(GetType().Name.Contains("Sqlite", StringComparison.Ordinal), "SQLite has no schemas.");
        await CreateAsync(
            b =>
            {
                b.HasDefaultSchema("odd schema");
                MapPerson(b).ToTable("people.with \"quotes\"").Ignore(p => p.Address).Property(p => p.Ssn).HasColumnName("s.s.n");
            });
        await SaveAsync(NewPerson(1));
        await using var db = Open();
        Assert.Equal("ssn-secret", (await db.Set<Person>().SingleAsync()).Ssn);
    }

    private async Task AssertHierarchyAsync()
    {
        await SaveAsync(
            new Dog { Id = 1, Name = "Rex", Chip = "chip-1" },
            new Cat { Id = 2, Name = "Tom", Chip = "chip-2" },
            new Puppy { Id = 3, Name = "Pup", Chip = "chip-3", Toy = "toy-secret" });
        await using (var db = Open())
        {
            var animals = await db.Set<Animal>().OrderBy(a => a.Id).ToListAsync();
            Assert.Equal(["Rex", "Tom", "Pup"], animals.Select(a => a.Name));
            Assert.Equal(("chip-1", "chip-2"), (((Dog)animals[0]).Chip, ((Cat)animals[1]).Chip));
            Assert.Equal(("chip-3", "toy-secret"), (((Puppy)animals[2]).Chip, ((Puppy)animals[2]).Toy));
            Assert.Equal(["Rex", "Pup"], db.Set<Dog>().OrderBy(d => d.Id).Select(d => d.Name).ToList());
            Assert.Equal(["chip-1", "chip-3"], db.Set<Animal>().OfType<Dog>().OrderBy(d => d.Id).Select(d => d.Chip).ToList());
            var all = db.Set<Animal>();
            foreach (var query in new[] { all.Distinct(), all.Union(all), all.Intersect(all), all.Concat(all).Distinct(), all.Take(5).Distinct() })
                Assert.Equal(["Rex", "Tom", "Pup"], query.OrderBy(a => a.Id).Select(a => a.Name).ToList());
            Assert.Equal(["Tom"], all.Except(all.Where(a => a.Id != 2)).Select(a => a.Name).ToList());
            ((Cat)animals[1]).Name = "Tom 2";
            ((Puppy)animals[2]).Chip = "chip-4";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            Assert.Equal("Tom 2", (await db.Set<Animal>().SingleAsync(a => a.Id == 2)).Name);
            Assert.Equal("chip-4", (await db.Set<Puppy>().SingleAsync()).Chip);
        }
    }

    private static Microsoft.EntityFrameworkCore.Metadata.Builders.EntityTypeBuilder<Animal> MapAnimals(ModelBuilder builder)
    {
        builder.Entity<Dog>();
        builder.Entity<Cat>();
        builder.Entity<Puppy>();
        builder.Entity<Animal>().Property(a => a.Id).ValueGeneratedNever();
        return builder.Entity<Animal>();
    }

    private static void MapSplitTable(ModelBuilder builder)
    {
        builder.Entity<Summary>(
            e =>
            {
                e.ToTable("Documents").Property(s => s.Id).ValueGeneratedNever();
                e.Property(s => s.Secret).HasColumnName("Secret");
                e.HasOne(s => s.Detail).WithOne().HasForeignKey<Detail>(d => d.Id).IsRequired();
                e.Navigation(s => s.Detail).IsRequired();
            });
        builder.Entity<Detail>().ToTable("Documents").Property(d => d.Secret).HasColumnName("Secret");
    }

    private static Microsoft.EntityFrameworkCore.Metadata.Builders.EntityTypeBuilder<Person> MapPerson(ModelBuilder builder)
    {
        var entity = builder.Entity<Person>().ToTable("People");
        entity.Property(p => p.Id).ValueGeneratedNever();
        entity.Ignore(p => p.Phones);
        return entity;
    }

    private static Person NewPerson(int id)
        => new()
        {
            Id = id,
            Name = "Ada",
            Ssn = "ssn-secret",
            Address = new Address { City = "London", Street = "Analytical Street", Place = new Place { Code = "nested-secret" } },
        };

    public class Person
    {
        public int Id { get; set; }

        public string Name { get; set; } = "";

        [Encrypted]
        public string Ssn { get; set; } = "";

        public Address? Address { get; set; }

        public List<Phone> Phones { get; } = [];
    }

    public class Address
    {
        public string City { get; set; } = "";

        [Encrypted]
        public string Street { get; set; } = "";

        public Place? Place { get; set; }
    }

    public class Place
    {
        [Encrypted]
        public string Code { get; set; } = "";
    }

    public class Phone
    {
        public int Id { get; set; }

        [Encrypted]
        public string Number { get; set; } = "";
    }

    public class Letter
    {
        public int Id { get; set; }

        public Address From { get; set; } = null!;

        public Address To { get; set; } = null!;
    }

    public class Complex
    {
        public int Id { get; set; }

        public Address Home { get; set; } = null!;

        public Address? Work { get; set; }
    }

    public class Plain
    {
        public int Id { get; set; }

        public Part Part { get; set; } = null!;
    }

    public class Part
    {
        public string Text { get; set; } = "";
    }

    public abstract class Animal
    {
        public int Id { get; set; }

        [Encrypted]
        public string Name { get; set; } = "";
    }

    public class Dog : Animal
    {
        [Encrypted]
        public string Chip { get; set; } = "";
    }

    public class Puppy : Dog
    {
        [Encrypted]
        public string Toy { get; set; } = "";
    }

    public class Cat : Animal
    {
        [Encrypted]
        public string Chip { get; set; } = "";
    }

    public class Summary
    {
        public int Id { get; set; }

        public string Title { get; set; } = "";

        [Encrypted]
        public string Secret { get; set; } = "";

        public Detail Detail { get; set; } = null!;
    }

    public class Detail
    {
        public int Id { get; set; }

        [Encrypted]
        public string Text { get; set; } = "";

        [Encrypted]
        public string Secret { get; set; } = "";
    }

    public class PersonView
    {
        public string Name { get; set; } = "";

        public string Ssn { get; set; } = "";
    }

    public class Student
    {
        public int Id { get; set; }

        public List<Course> Courses { get; } = [];

        public List<Enrolment> Enrolments { get; } = [];
    }

    public class Course
    {
        public int Id { get; set; }

        public List<Student> Students { get; } = [];

        public List<Enrolment> Enrolments { get; } = [];
    }

    public class Enrolment
    {
        [Encrypted]
        public string? Grade { get; set; }
    }

    public class Tagged
    {
        public int Id { get; set; }

        [Encrypted]
        public string[] Words { get; set; } = [];

        public List<int> Numbers { get; set; } = [];
    }
}
