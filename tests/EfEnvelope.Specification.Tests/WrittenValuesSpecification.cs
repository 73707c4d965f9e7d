using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>A blind index, and what a unique index compares, are computed from the values that EF Core writes, which are not always those that an entity has.</summary>
public abstract class WrittenValuesSpecification(TestDatabase database) : AdHocSpecification(database)
{
    public static TheoryData<string, bool> Kinds
        => new(from kind in new[] { "blind", "unique", "deterministic", "compound", "text" } from async in new[] { false, true } select (kind, async));

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Index_does_not_follow_a_value_that_is_ignored_after_the_first_save(string kind, bool async)
    {
        await CreateAsync(kind, PropertySaveBehavior.Save, PropertySaveBehavior.Ignore);
        await SaveAsync(new Person { Id = 1, Mail = "old@x", City = "london", Note = "old" });
        await using (var db = Open())
        {
            var person = await db.Set<Person>().SingleAsync();
            (person.Mail, person.City, person.Note) = ("new@x", "paris", "new");
            await SaveChangesAsync(db, async);

            // Nothing else to write.
            (person.Mail, person.City) = ("newer@x", "rome");
            await SaveChangesAsync(db, async);
        }

        await AssertFoundAsync(kind, "old@x", "london", 1);
        await AssertFoundAsync(kind, "new@x", "paris");
        await AssertFoundAsync(kind, "newer@x", "rome");
        await using (var db = Open())
        {
            Assert.Equal("old@x new", await db.Set<Person>().Select(p => $"{p.Mail} {p.Note}").SingleAsync());
            db.Update(new Person { Id = 1, Mail = "new@x", City = "paris", Note = "updated" });
            await SaveChangesAsync(db, async);
        }

        await AssertFoundAsync(kind, "old@x", "london", 1);
        await using (var db = Open())
        {
            var entry = db.Attach(new Person { Id = 1, Mail = "new@x", City = "paris", Note = "attached" });
            entry.Property(p => p.Mail).IsModified = entry.Property(p => p.City).IsModified = entry.Property(p => p.Note).IsModified = true;
            await SaveChangesAsync(db, async);
        }

        await AssertFoundAsync(kind, "old@x", "london", 1);
        await AssertFoundAsync(kind, "new@x", "paris");
        await using (var db = Open())
        {
            db.Remove(await db.Set<Person>().SingleAsync());
            db.Add(new Person { Id = 2, Mail = "old@x", City = "london" });
            await SaveChangesAsync(db, async);
        }

        await AssertFoundAsync(kind, "old@x", "london", 2);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Value_that_may_not_change_after_the_first_save_is_indexed_once(string kind, bool async)
    {
        await CreateAsync(kind, PropertySaveBehavior.Save, PropertySaveBehavior.Throw);
        await SaveAsync(new Person { Id = 1, Mail = "old@x", City = "london" });
        await using (var db = Open())
        {
            (await db.Set<Person>().SingleAsync()).Mail = "new@x";
            await Assert.ThrowsAsync<InvalidOperationException>(() => SaveChangesAsync(db, async));
        }

        await using (var db = Open())
        {
            (await db.Set<Person>().SingleAsync()).Note = "new";
            await SaveChangesAsync(db, async);
        }

        await using (var db = Open())
        {
            db.Update(new Person { Id = 1, Mail = "other@x", City = "paris", Note = "updated" });
            await SaveChangesAsync(db, async);
        }

        await AssertFoundAsync(kind, "old@x", "london", 1);
        await using var reader = Open();
        Assert.Equal("updated", (await reader.Set<Person>().SingleAsync()).Note);
    }

    [Theory]
    [InlineData("blind")]
    [InlineData("unique")]
    [InlineData("deterministic")]
    [InlineData("text")]
    public async Task Value_that_is_ignored_before_the_first_save_has_no_index(string kind)
    {
        await CreateAsync(kind, PropertySaveBehavior.Ignore, PropertySaveBehavior.Save);
        await using var db = Open();
        var person = new Person { Id = 1, Mail = "old@x", City = "london" };
        db.Add(person);
        await db.SaveChangesAsync();
        await AssertFoundAsync(kind, "old@x", "london");
        await using (var reader = Open())
            Assert.Equal(1, await reader.Set<Person>().CountAsync(p => p.Mail == null));
        person.Mail = "new@x";
        await db.SaveChangesAsync();
        await AssertFoundAsync(kind, "new@x", "london", 1);
    }

    [Theory]
    [InlineData(PropertySaveBehavior.Ignore, PropertySaveBehavior.Save)]
    [InlineData(PropertySaveBehavior.Save, PropertySaveBehavior.Ignore)]
    public void Compound_index_over_a_property_that_is_sometimes_ignored_is_refused(PropertySaveBehavior before, PropertySaveBehavior after)
    {
        using var db = Open(
            new AdHocModel(
                model =>
                {
                    Configure(model.Entity<Person>(), "compound");
                    Set(model.Entity<Person>().Property(p => p.City).Metadata, before, after);
                }));
        Assert.Equal(
            "'Person.Mail' and 'Person.City' have a blind index together, but EF Core ignores changes of 'Person.City' ('PropertySaveBehavior.Ignore'), so the "
            + "index could not follow what is stored. Use 'PropertySaveBehavior.Throw' instead, or give each of them a blind index of its own.",
            Assert.Throws<EnvelopeConfigurationException>(() => db.Model).Message);
    }

    [Fact]
    public async Task Compound_index_follows_beside_a_property_that_may_not_change()
    {
        await CreateAsync(
            model =>
            {
                Configure(model.Entity<Person>(), "compound");
                Set(model.Entity<Person>().Property(p => p.City).Metadata, PropertySaveBehavior.Save, PropertySaveBehavior.Throw);
            });
        await SaveAsync(new Person { Id = 1, Mail = "old@x", City = "london" });
        await using (var db = Open())
        {
            (await db.Set<Person>().SingleAsync()).Mail = "new@x";
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("compound", "new@x", "london", 1);
        await AssertFoundAsync("compound", "old@x", "london");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Owned_value_that_EF_Core_writes_in_spite_of_its_behavior_is_indexed(bool changeOwner)
    {
        await CreateAsync(
            model => model.Entity<Firm>(
                firm =>
                {
                    firm.Property(f => f.Id).ValueGeneratedNever();
                    firm.OwnsOne(
                        f => f.Contact,
                        contact =>
                        {
                            contact.Property(c => c.Phone).IsEncrypted().HasBlindIndex();
                            Set(contact.Property(c => c.Phone).Metadata, PropertySaveBehavior.Ignore, PropertySaveBehavior.Ignore);
                        });
                }));
        async Task ChangeAsync(Action<Firm> change)
        {
            await using var db = Open();
            var firm = await db.Set<Firm>().SingleAsync();
            change(firm);
            if (changeOwner)
                firm.Name += "!";
            await db.SaveChangesAsync();
            db.ChangeTracker.Clear();
            var stored = (await db.Set<Firm>().SingleAsync()).Contact?.Phone;
            foreach (var phone in new[] { "1", "2", "3" })
                Assert.Equal(phone == stored ? 1 : 0, await db.Set<Firm>().CountAsync(f => f.Contact!.Phone == phone));
        }

        await SaveAsync(new Firm { Id = 1, Name = "one" });
        await ChangeAsync(f => f.Contact = new Contact { Phone = "1" });
        await ChangeAsync(f => (f.Contact ??= new Contact()).Phone = "2");
        await ChangeAsync(f => f.Contact = new Contact { Phone = "3" });
        await ChangeAsync(f => f.Contact = null);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Owned_value_at_its_default_is_indexed_as_it_is_written(bool encrypted, bool changeOwner)
    {
        await CreateAsync(
            model => model.Entity<Firm>(
                firm =>
                {
                    firm.Property(f => f.Id).ValueGeneratedNever();
                    firm.OwnsOne(f => f.Contact, contact => _ = encrypted ? contact.Property(c => c.Score).IsEncrypted().HasBlindIndex() : contact.Property(c => c.Score));
                }));
        await SaveAsync(new Firm { Id = 1, Name = "one" });
        await using var db = Open();
        var firm = await db.Set<Firm>().SingleAsync();
        firm.Contact = new Contact { Phone = "1" };
        if (changeOwner)
            firm.Name = "two";
        await db.SaveChangesAsync();
        Assert.Equal(1, await db.Set<Firm>().CountAsync(f => f.Contact!.Score == 0));
    }

    private async Task CreateAsync(string kind, PropertySaveBehavior before, PropertySaveBehavior after)
        => await CreateAsync(
            model =>
            {
                var person = model.Entity<Person>();
                Configure(person, kind);
                Set(person.Property(p => p.Mail).Metadata, before, after);
                Set(person.Property(p => p.City).Metadata, before, after);
            });

    private static void Configure(EntityTypeBuilder<Person> person, string kind)
    {
        person.ToTable("People").Property(p => p.Id).ValueGeneratedNever();
        var mail = person.Property(p => p.Mail).HasMaxLength(50);
        var city = person.Property(p => p.City).HasMaxLength(50);
        switch (kind)
        {
            case "deterministic":
                mail.IsEncrypted(EncryptionMode.Deterministic);
                person.HasIndex(p => p.Mail).IsUnique();
                break;
            case "compound":
                mail.IsEncrypted();
                city.IsEncrypted();
                person.HasBlindIndex(p => new { p.Mail, p.City }, isUnique: true);
                break;
            case "text":
                mail.IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text);
                person.HasIndex(p => p.Mail).IsUnique();
                break;
            default:
                mail.IsEncrypted().HasBlindIndex(isUnique: kind == "unique");
                break;
        }
    }

    private static void Set(IMutableProperty property, PropertySaveBehavior before, PropertySaveBehavior after)
    {
        property.SetBeforeSaveBehavior(before);
        property.SetAfterSaveBehavior(after);
    }

    private async Task AssertFoundAsync(string kind, string mail, string city, params int[] ids)
    {
        await using var db = Open();
        var found = kind == "compound" ? db.Set<Person>().Where(p => p.Mail == mail && p.City == city) : db.Set<Person>().Where(p => p.Mail == mail);
        Assert.Equal(ids, await found.Select(p => p.Id).ToListAsync());
    }

    private static async Task SaveChangesAsync(DbContext db, bool async) => _ = async ? await db.SaveChangesAsync() : db.SaveChanges();

    public sealed class Person
    {
        public int Id { get; set; }

        public string? Mail { get; set; }

        public string? City { get; set; }

        public string? Note { get; set; }
    }

    public sealed class Firm
    {
        public int Id { get; set; }

        public required string Name { get; set; }

        public Contact? Contact { get; set; }
    }

    public sealed class Contact
    {
        public string? Phone { get; set; }

        public int Score { get; set; }
    }
}
