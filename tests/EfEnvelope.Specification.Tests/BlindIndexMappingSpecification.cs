using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Wherever a type is mapped, and however it asks for a blind index, it gets one.</summary>
public abstract class BlindIndexMappingSpecification(TestDatabase database) : AdHocSpecification(database)
{
    [Fact]
    public async Task Compound_index_that_is_asked_for_on_a_base_class_is_one_of_the_types_that_are_mapped()
    {
        await CreateAsync(model => { model.Entity<Member>().Property(m => m.Id).ValueGeneratedNever(); model.Entity<Guest>().Property(m => m.Id).ValueGeneratedNever(); });
        await SaveAsync(new Member { Id = 1, First = "Ada", Last = "Byron" }, new Guest { Id = 1, First = "Ada", Last = "Byron" });

        await using (var db = Open())
        {
            Assert.Equal(1, (await db.Set<Member>().SingleAsync(m => m.First == "Ada" && m.Last == "Byron")).Id);
            Assert.Equal(1, (await db.Set<Guest>().SingleAsync(m => m.First == "Ada" && m.Last == "Byron")).Id);
        }

        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(new Member { Id = 2, First = "Ada", Last = "Byron" }));
    }

    [Fact]
    public async Task Compound_index_of_an_owned_type_is_in_its_owners_table()
    {
        await CreateAsync(
            model => model.Entity<Customer>(
                customer =>
                {
                    customer.Property(c => c.Id).ValueGeneratedNever();
                    customer.OwnsOne(c => c.Home).HasBlindIndex(h => new { h.Street, h.City });
                }));
        await SaveAsync(new Customer { Id = 1, Home = new Address { Street = "s", City = "c" } }, new Customer { Id = 2 });

        await using var db = Open();
        Assert.Equal(1, (await db.Set<Customer>().SingleAsync(c => c.Home!.Street == "s" && c.Home.City == "c")).Id);
        Assert.Single((await ReadStoredAsync("Customer", "Home_Street_Home_City_BlindIndex")).OfType<byte[]>());
    }

    [Fact]
    public async Task Attribute_allows_rows_without_their_hash_while_they_are_being_filled()
    {
        await CreateAsync(model => model.Entity<Filling>().Property(f => f.Id).ValueGeneratedNever());
        await SaveAsync(new Filling { Id = 1, Text = "t" });
        await Database.QueryAsync($"UPDATE {Database.Quote("Filling")} SET {Database.Quote("Text_BlindIndex")} = NULL");

        await using var db = Open();
        var refused = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => db.Set<Filling>().Where(f => f.Text == "t").ToListAsync());
        Assert.Contains("rows may lack 'Filling.Text_BlindIndex'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Code_over_an_interface_searches_what_each_type_can()
    {
        await CreateAsync(
            model =>
            {
                model.Entity<Secret>(s => { s.Property(x => x.Id).ValueGeneratedNever(); s.Property(x => x.Name).IsEncrypted().HasBlindIndex(projection: BlindIndexProjection.First, characters: 2); });
                model.Entity<Known>().Property(x => x.Id).ValueGeneratedNever();
            });
        await SaveAsync(new Secret { Id = 1, Name = "abc" }, new Known { Id = 2, Name = "abc" });

        await using var db = Open();
        Assert.Equal([1], await StartingWithAsync(db.Set<Secret>(), "ab"));
        Assert.Equal([2], await StartingWithAsync(db.Set<Known>(), "ab"));
    }

    [Fact]
    public async Task Index_of_a_value_in_a_second_table_follows()
    {
        await CreateAsync(
            model => model.Entity<Member>(
                member =>
                {
                    member.Property(c => c.Id).ValueGeneratedNever();
                    member.Property(c => c.Mail).IsEncrypted().HasBlindIndex(isUnique: true);
                    member.ToTable("Members").SplitToTable("Mails", mails => mails.Property(c => c.Mail));
                }));
        await SaveAsync(new Member { Id = 1, Mail = "one@x" }, new Member { Id = 2, Mail = "two@x" });
        await using (var db = Open())
        {
            (await db.Set<Member>().SingleAsync(c => c.Mail == "two@x")).Mail = "three@x";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            Assert.False(await db.Set<Member>().AnyAsync(c => c.Mail == "two@x"));
            Assert.Equal([2], await db.Set<Member>().Where(c => c.Mail == "three@x").Select(c => c.Id).ToListAsync());
        }

        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(new Member { Id = 3, Mail = "one@x" }));
    }

    private static Task<List<int>> StartingWithAsync<T>(IQueryable<T> query, string start)
        where T : class, INamed
        => query.Where(x => x.Name.StartsWith(start)).Select(x => x.Id).ToListAsync();

    public interface INamed
    {
        int Id { get; }

        string Name { get; }
    }

    [CompoundBlindIndex(nameof(First), nameof(Last), IsUnique = true)]
    public abstract class FullName
    {
        [Encrypted]
        public string? First { get; set; }

        [Encrypted]
        public string? Last { get; set; }
    }

    public sealed class Member : FullName
    {
        public int Id { get; set; }

        public string? Mail { get; set; }
    }

    public sealed class Guest : FullName
    {
        public int Id { get; set; }
    }

    public sealed class Customer
    {
        public int Id { get; set; }

        public Address? Home { get; set; }
    }

    public sealed class Address
    {
        [Encrypted]
        public required string Street { get; set; }

        [Encrypted]
        public required string City { get; set; }
    }

    public sealed class Filling
    {
        public int Id { get; set; }

        [Encrypted, BlindIndex(AllowMissingWhileBackfilling = true)]
        public required string Text { get; set; }
    }

    public sealed class Secret : INamed
    {
        public int Id { get; set; }

        public required string Name { get; set; }
    }

    public sealed class Known : INamed
    {
        public int Id { get; set; }

        public required string Name { get; set; }
    }
}
