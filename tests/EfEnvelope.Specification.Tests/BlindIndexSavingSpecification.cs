using System.Data.Common;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>A blind index follows its value however that is saved, or the save is refused.</summary>
public abstract class BlindIndexSavingSpecification(TestDatabase database) : AdHocSpecification(database)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Index_follows_an_insert_an_update_null_and_a_value_again(bool async)
    {
        await CreateClientsAsync();
        await using var db = Open();
        async Task SaveChangesAsync() => _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
        var client = new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron" };
        db.Add(client);
        await SaveChangesAsync();
        await AssertFoundAsync("one@x", 1);
        await AssertFoundAsync("Ada", "Byron", 1);

        (client.Email, client.Last) = ("two@x", "Lovelace");
        await SaveChangesAsync();
        await AssertFoundAsync("one@x");
        await AssertFoundAsync("two@x", 1);
        await AssertFoundAsync("Ada", "Byron");
        await AssertFoundAsync("Ada", "Lovelace", 1);

        (client.Email, client.First) = (null, null);
        await SaveChangesAsync();
        await AssertFoundAsync("two@x");
        await AssertFoundAsync("Ada", "Lovelace");
        Assert.Equal([null], await ReadStoredAsync("Clients", "Email_BlindIndex"));
        Assert.Equal([null], await ReadStoredAsync("Clients", "First_Last_BlindIndex"));

        (client.Email, client.First) = ("three@x", "Ada");
        await SaveChangesAsync();
        await AssertFoundAsync("three@x", 1);
        await AssertFoundAsync("Ada", "Lovelace", 1);
    }

    [Fact]
    public async Task Change_of_something_else_writes_no_index()
    {
        await CreateClientsAsync();
        await SaveAsync(new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron" });
        await using var db = Open();
        (await db.Set<Client>().SingleAsync()).Note = "seen";
        Recorder.Clear();
        await db.SaveChangesAsync();
        Assert.DoesNotContain(Recorder.Commands, c => c.Contains("BlindIndex", StringComparison.Ordinal));
        await AssertFoundAsync("one@x", 1);
    }

    [Fact]
    public async Task Index_follows_a_detached_update()
    {
        await CreateClientsAsync();
        await SaveAsync(new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron" });
        await using (var db = Open())
        {
            db.Update(new Client { Id = 1, Email = "two@x", First = "Grace", Last = "Hopper" });
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("one@x");
        await AssertFoundAsync("two@x", 1);
        await AssertFoundAsync("Grace", "Hopper", 1);
        await using (var db = Open())
        {
            db.Update(new Client { Id = 1, Email = null, First = "Grace", Last = null });
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("two@x");
        await AssertFoundAsync("Grace", "Hopper");
    }

    [Fact]
    public async Task Index_follows_one_property_of_an_attached_entity()
    {
        await CreateClientsAsync();
        await SaveAsync(new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron", Note = "kept" });
        await using (var db = Open())
        {
            db.Attach(new Client { Id = 1 }).Entity.Email = "two@x";
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("two@x", 1);
        await AssertFoundAsync("Ada", "Byron", 1);
        await using (var db = Open())
        {
            var entry = db.Attach(new Client { Id = 1, Email = "three@x" });
            entry.Property(c => c.Email).IsModified = true;
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("three@x", 1);
        await using var reader = Open();
        Assert.Equal("kept", (await reader.Set<Client>().SingleAsync()).Note);
    }

    [Fact]
    public async Task Index_of_a_value_that_is_not_written_stays_as_it_is()
    {
        await CreateClientsAsync();
        await SaveAsync(new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron", Note = "old" });
        await using (var db = Open())
        {
            var entry = db.Update(new Client { Id = 1, Note = "new" });
            entry.Property(c => c.Email).IsModified = entry.Property(c => c.First).IsModified = entry.Property(c => c.Last).IsModified = false;
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("one@x", 1);
        await AssertFoundAsync("Ada", "Byron", 1);
        await using (var db = Open())
        {
            Assert.Equal("new", (await db.Set<Client>().SingleAsync()).Note);
            var entry = db.ChangeTracker.Entries<Client>().Single();
            entry.Property("Email_BlindIndex").IsModified = true;
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("one@x", 1);
    }

    [Fact]
    public async Task Compound_index_of_an_attached_entity_is_refused_unless_all_of_its_properties_are_given()
    {
        await CreateClientsAsync();
        await SaveAsync(new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron" });
        await using (var db = Open())
        {
            db.Attach(new Client { Id = 1, First = "", Last = "" }).Entity.First = "Grace";
            var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => db.SaveChangesAsync());
            Assert.Contains("attached and not read", e.Message, StringComparison.Ordinal);
            Assert.Contains("'Client.First' and 'Client.Last'", e.Message, StringComparison.Ordinal);
            Assert.Throws<EnvelopeConfigurationException>(() => db.SaveChanges());
        }

        // What is not given looks like null. The database knows better.
        await using (var db = Open())
        {
            db.Attach(new Client { Id = 1 }).Entity.First = "Grace";
            await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        }

        await AssertFoundAsync("Ada", "Byron", 1);
        await using (var db = Open())
        {
            var entry = db.Attach(new Client { Id = 1, First = "Grace", Last = "Hopper" });
            (entry.Property(c => c.First).IsModified, entry.Property(c => c.Last).IsModified) = (true, true);
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("Grace", "Hopper", 1);
        await using (var db = Open())
        {
            (await db.Set<Client>().SingleAsync()).First = "Betty";
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("Betty", "Hopper", 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Index_follows_a_value_that_the_application_changes_while_it_saves(bool async)
    {
        await CreateClientsAsync();
        await using (var db = Open())
        {
            db.SavingChanges += (_, _) => Change(db, "event@x");
            db.Add(new Client { Id = 1, Email = "given@x" });
            _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
        }

        await AssertFoundAsync("given@x");
        await AssertFoundAsync("event@x", 1);
        await using (var db = OpenWith(new Changing()))
        {
            (await db.Set<Client>().SingleAsync()).Email = "given again@x";
            _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
        }

        await AssertFoundAsync("given again@x");
        await AssertFoundAsync("interceptor@x", 1);

        // Nothing but the interceptor changes the entity.
        await using (var db = OpenWith(new Changing("alone@x")))
        {
            var client = await db.Set<Client>().SingleAsync();
            client.Note = "changed";
            _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
        }

        await AssertFoundAsync("alone@x", 1);
    }

    [Fact]
    public async Task Hundreds_of_rows_are_indexed_in_batches()
    {
        await CreateClientsAsync();
        await SaveAsync([.. Enumerable.Range(1, 300).Select(id => new Client { Id = id, Email = $"{id}@x", First = $"{id % 10}", Last = $"{id / 10}" })]);
        Assert.Equal(300, (await ReadStoredAsync("Clients", "Email_BlindIndex")).Select(b => Convert.ToHexString(b!)).Distinct().Count());
        await AssertFoundAsync("217@x", 217);
        await AssertFoundAsync("7", "21", 217);
        await using (var db = Open())
        {
            foreach (var client in await db.Set<Client>().ToListAsync())
                (client.Email, client.Last) = ($"{client.Id}@y", client.Id % 2 == 0 ? null : $"{client.Id}");
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("217@x");
        await AssertFoundAsync("217@y", 217);
        await AssertFoundAsync("7", "217", 217);
        Assert.Equal(150, (await ReadStoredAsync("Clients", "First_Last_BlindIndex")).Count(b => b is null));
    }

    [Theory]
    [InlineData("TPH")]
    [InlineData("TPT")]
    [InlineData("TPC")]
    public async Task Indexes_of_base_and_derived_types_follow(string strategy)
    {
        await CreateAsync(
            model =>
            {
                var animal = model.Entity<Animal>();
                _ = strategy switch { "TPH" => animal.UseTphMappingStrategy(), "TPT" => animal.UseTptMappingStrategy(), _ => animal.UseTpcMappingStrategy() };
                animal.Property(a => a.Id).ValueGeneratedNever();
                animal.Property(a => a.Name).IsEncrypted().HasBlindIndex();
                model.Entity<Dog>().Property(d => d.Chip).IsEncrypted().HasBlindIndex();
                model.Entity<Dog>().HasBlindIndex(d => new { d.Chip, d.Owner });
                model.Entity<Dog>().Property(d => d.Owner).IsEncrypted();
                model.Entity<Cat>();
            });
        await SaveAsync(
            new Dog { Id = 1, Name = "rex", Chip = "c1", Owner = "ada" }, new Dog { Id = 2, Name = "bello", Chip = null, Owner = "bob" }, new Cat { Id = 3, Name = "rex" });
        await using (var db = Open())
        {
            Assert.Equal([1, 3], await db.Set<Animal>().Where(a => a.Name == "rex").OrderBy(a => a.Id).Select(a => a.Id).ToListAsync());
            Assert.Equal([1], await db.Set<Dog>().Where(d => d.Name == "rex").Select(a => a.Id).ToListAsync());
            Assert.Equal([1], await db.Set<Dog>().Where(d => d.Chip == "c1").Select(a => a.Id).ToListAsync());
            Assert.Equal([1], await db.Set<Dog>().Where(d => d.Chip == "c1" && d.Owner == "ada").Select(a => a.Id).ToListAsync());
            var dog = await db.Set<Dog>().SingleAsync(d => d.Id == 2);
            (dog.Name, dog.Chip) = ("rex", "c2");
            (await db.Set<Cat>().SingleAsync()).Name = "tom";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            Assert.Equal([1, 2], await db.Set<Animal>().Where(a => a.Name == "rex").OrderBy(a => a.Id).Select(a => a.Id).ToListAsync());
            Assert.Equal([2], await db.Set<Dog>().Where(d => d.Chip == "c2" && d.Owner == "bob").Select(a => a.Id).ToListAsync());
            Assert.Equal([2], await db.Set<Dog>().Where(d => d.Chip == "c2").Select(a => a.Id).ToListAsync());
            Assert.Equal([3], await db.Set<Animal>().Where(a => a.Name == "tom").Select(a => a.Id).ToListAsync());
            db.Update(new Dog { Id = 1, Name = "max", Chip = null, Owner = "ada" });
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            Assert.Empty(await db.Set<Dog>().Where(d => d.Chip == "c1").ToListAsync());
            Assert.Equal("max", (await db.Set<Animal>().SingleAsync(a => a.Name == "max")).Name);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Index_of_an_owned_type_follows(bool ownTable)
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
                            if (ownTable)
                                contact.ToTable("Contacts");
                        });
                    firm.OwnsMany(
                        f => f.Branches,
                        branch =>
                        {
                            branch.Property(b => b.Id).ValueGeneratedNever();
                            branch.Property(b => b.Phone).IsEncrypted().HasBlindIndex();
                        });
                }));
        await SaveAsync(
            new Firm { Id = 1, Name = "one", Contact = new Contact { Phone = "111" }, Branches = { new Branch { Id = 1, Phone = "777" }, new Branch { Id = 2, Phone = "888" } } },
            new Firm { Id = 2, Name = "two" });
        async Task AssertAsync(string phone, params int[] ids)
        {
            await using var db = Open();
            Assert.Equal(ids, await db.Set<Firm>().Where(f => f.Contact!.Phone == phone).OrderBy(f => f.Id).Select(f => f.Id).ToListAsync());
        }

        await AssertAsync("111", 1);
        await using (var db = Open())
        {
            Assert.Equal([1], await db.Set<Firm>().Where(f => f.Branches.Any(b => b.Phone == "888")).Select(f => f.Id).ToListAsync());
            var firms = await db.Set<Firm>().OrderBy(f => f.Id).ToListAsync();
            firms[0].Contact!.Phone = "222";
            firms[0].Branches.Single(b => b.Id == 2).Phone = "999";
            firms[1].Contact = new Contact { Phone = "333" };
            await db.SaveChangesAsync();
        }

        await AssertAsync("111");
        await AssertAsync("222", 1);
        await AssertAsync("333", 2);
        await using (var db = Open())
        {
            Assert.Equal([1], await db.Set<Firm>().Where(f => f.Branches.Any(b => b.Phone == "999")).Select(f => f.Id).ToListAsync());
            Assert.False(await db.Set<Firm>().AnyAsync(f => f.Branches.Any(b => b.Phone == "888")));
            var firms = await db.Set<Firm>().OrderBy(f => f.Id).ToListAsync();

            // A new instance in place of the old one, and none.
            firms[0].Contact = new Contact { Phone = "444" };
            firms[1].Contact = null;
            await db.SaveChangesAsync();
        }

        await AssertAsync("222");
        await AssertAsync("444", 1);
        await AssertAsync("333");
    }

    [Fact]
    public async Task Rows_of_a_graph_with_temporary_keys_are_indexed()
    {
        await CreateAsync(
            model =>
            {
                model.Entity<Parent>().Property(p => p.Name).IsEncrypted().HasBlindIndex();
                model.Entity<Child>().Property(c => c.Name).IsEncrypted().HasBlindIndex();
            });
        await SaveAsync(
            new Parent { Name = "ada", Children = { new Child { Name = "x" }, new Child { Name = "y" } } },
            new Parent { Name = "bob", Children = { new Child { Name = "x" } } });
        await using var db = Open();
        Assert.Equal(2, await db.Set<Child>().CountAsync(c => c.Name == "x"));
        var ada = await db.Set<Parent>().Include(p => p.Children).SingleAsync(p => p.Name == "ada" && p.Children.Any(c => c.Name == "y"));
        ada.Children.Add(new Child { Name = "z" });
        await db.SaveChangesAsync();
        Assert.Equal("ada", await db.Set<Parent>().Where(p => p.Children.Any(c => c.Name == "z")).Select(p => p.Name).SingleAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Save_that_failed_is_indexed_when_it_is_tried_again(bool async)
    {
        await CreateClientsAsync();
        await using var db = Open();
        var client = new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron" };
        db.Add(client);
        async Task FailAsync()
        {
            Recorder.Failures = 1;
            var e = await Record.ExceptionAsync(async () => _ = async ? await db.SaveChangesAsync() : db.SaveChanges());
            Assert.NotNull(e);
        }

        await FailAsync();
        _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
        await AssertFoundAsync("one@x", 1);
        client.Email = "two@x";
        await FailAsync();
        (client.Email, client.Last) = ("three@x", "Lovelace");
        await FailAsync();
        _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
        await AssertFoundAsync("two@x");
        await AssertFoundAsync("three@x", 1);
        await AssertFoundAsync("Ada", "Lovelace", 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Index_follows_a_bulk_update(bool async)
    {
        await CreateClientsAsync();
        await SaveAsync(new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron" }, new Client { Id = 2, Email = "b@x", First = "Ada", Last = "Byron" });
        await using var db = Open();
        var one = db.Set<Client>().Where(c => c.Id == 1);
        var (email, last) = ("two@x", "Hopper");
        string? none = null;

        _ = async ? await one.ExecuteUpdateAsync(s => s.SetProperty(c => c.Email, email)) : one.ExecuteUpdate(s => s.SetProperty(c => c.Email, email));
        await AssertFoundAsync("one@x");
        await AssertFoundAsync("two@x", 1);
        _ = async ? await one.ExecuteUpdateAsync(s => s.SetProperty(c => c.Email, none)) : one.ExecuteUpdate(s => s.SetProperty(c => c.Email, none));
        await AssertFoundAsync("two@x");
        _ = async
            ? await one.ExecuteUpdateAsync(s => s.SetProperty(c => c.First, "Grace").SetProperty(c => c.Last, last).SetProperty(c => c.Email, "constant@x"))
            : one.ExecuteUpdate(s => s.SetProperty(c => c.First, "Grace").SetProperty(c => c.Last, last).SetProperty(c => c.Email, "constant@x"));
        await AssertFoundAsync("Grace", "Hopper", 1);
        await AssertFoundAsync("Ada", "Byron", 2);
        await AssertFoundAsync("constant@x", 1);
        _ = async
            ? await one.ExecuteUpdateAsync(s => s.SetProperty(c => c.First, none).SetProperty(c => c.Last, last))
            : one.ExecuteUpdate(s => s.SetProperty(c => c.First, none).SetProperty(c => c.Last, last));
        await AssertFoundAsync("Grace", "Hopper");
        Assert.Null((await ReadStoredAsync("Clients", "First_Last_BlindIndex"))[0]);

        // By what is found with it.
        var found = db.Set<Client>().Where(c => c.Email == "constant@x");
        Assert.Equal(1, async ? await found.ExecuteUpdateAsync(s => s.SetProperty(c => c.Email, "moved@x")) : found.ExecuteUpdate(s => s.SetProperty(c => c.Email, "moved@x")));
        await AssertFoundAsync("moved@x", 1);

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => one.ExecuteUpdateAsync(s => s.SetProperty(c => c.First, "alone")));
        Assert.Contains("'Client.Last'", e.Message, StringComparison.Ordinal);
        Assert.Equal(1, async ? await found.ExecuteDeleteAsync() + 1 : found.ExecuteDelete() + 1);
    }

    [Fact]
    public async Task Value_without_its_hash_is_refused_by_the_database()
    {
        await CreateClientsAsync();
        await SaveAsync(new Client { Id = 1, Email = "one@x", First = "Ada", Last = "Byron" }, new Client { Id = 2 });
        var table = Database.Quote("Clients");
        foreach (var (column, value, id) in new[]
        {
            ("Email_BlindIndex", "NULL", 1), ("First_Last_BlindIndex", "NULL", 1), ("Email", "NULL", 1), ("First", "NULL", 1),
            ("Email", $"(SELECT {Database.Quote("Email")} FROM {table} WHERE {Database.Quote("Id")} = 1)", 2),
        })
        {
            await Assert.ThrowsAnyAsync<DbException>(
                () => Database.QueryAsync($"UPDATE {table} SET {Database.Quote(column)} = {value} WHERE {Database.Quote("Id")} = {id}"));
        }

        await Assert.ThrowsAnyAsync<DbException>(
            () => Database.QueryAsync(
                $"INSERT INTO {table} ({Database.Quote("Id")}, {Database.Quote("Email")}) SELECT 3, {Database.Quote("Email")} FROM {table} WHERE {Database.Quote("Id")} = 1"));
        await AssertFoundAsync("one@x", 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Unique_value_that_one_row_gives_up_is_taken_by_another_in_the_same_save(bool blind)
    {
        await CreateAsync(
            model =>
            {
                var client = model.Entity<Client>();
                client.ToTable("Clients").Property(c => c.Id).ValueGeneratedNever();
                if (blind)
                {
                    client.Property(c => c.Email).IsEncrypted().HasBlindIndex(isUnique: true);
                }
                else
                {
                    client.Property(c => c.Email).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(100);
                    client.HasIndex(c => c.Email).IsUnique();
                }
            });
        await SaveAsync(new Client { Id = 1, Email = "x" }, new Client { Id = 2, Email = "y" }, new Client { Id = 3, Email = "z" });
        await using (var db = Open())
        {
            var clients = await db.Set<Client>().OrderBy(c => c.Id).ToListAsync();
            (clients[0].Email, clients[1].Email) = ("y", "free");
            db.Remove(clients[2]);
            db.Add(new Client { Id = 4, Email = "z" });
            await db.SaveChangesAsync();
        }

        await AssertFoundAsync("y", 1);
        await AssertFoundAsync("free", 2);
        await AssertFoundAsync("z", 4);
    }

    public static TheoryData<string, string, bool> Moves
        => new(from giver in new[] { "first", "second", "both", "deleted" } from taker in new[] { "first", "second", "both", "added" } from up in new[] { false, true } select (giver, taker, up));

    [Theory]
    [MemberData(nameof(Moves))]
    public async Task Pair_of_unique_values_passes_from_one_row_to_another_in_one_save(string giver, string taker, bool up)
    {
        await CreateAsync(
            model =>
            {
                var client = model.Entity<Client>();
                client.ToTable("Clients").Property(c => c.Id).ValueGeneratedNever();
                client.Property(c => c.First).IsEncrypted().HasBlindIndex();
                client.Property(c => c.Last).IsEncrypted().HasBlindIndex();
                client.HasIndex(c => new { c.First, c.Last }).IsUnique();
            });
        var (from, to) = up ? (1, 2) : (2, 1);
        await SaveAsync(new Client { Id = from, First = "ada", Last = "byron" });
        if (taker != "added")
            await SaveAsync(new Client { Id = to, First = taker == "second" ? "ada" : "grace", Last = taker == "first" ? "byron" : "hopper" });
        await using (var db = Open())
        {
            var clients = await db.Set<Client>().ToDictionaryAsync(c => c.Id);
            if (giver == "deleted")
                db.Remove(clients[from]);
            if (giver is "first" or "both")
                clients[from].First = "betty";
            if (giver is "second" or "both")
                clients[from].Last = "holberton";
            if (taker == "added")
                db.Add(new Client { Id = to, First = "ada", Last = "byron" });
            else
                (clients[to].First, clients[to].Last) = ("ada", "byron");
            await db.SaveChangesAsync();
        }

        await using var reader = Open();
        Assert.Equal([to], await reader.Set<Client>().Where(c => c.First == "ada" && c.Last == "byron").Select(c => c.Id).ToListAsync());
        Assert.Equal(giver == "deleted" ? 1 : 2, await reader.Set<Client>().CountAsync());
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("blind")]
    public async Task Unique_pair_with_a_plain_half_passes_to_another_row_when_the_plain_half_changes(string kind)
    {
        await CreateAsync(
            model =>
            {
                var client = model.Entity<Client>();
                client.ToTable("Clients").Property(c => c.Id).ValueGeneratedNever();
                if (kind == "blind")
                    client.Property(c => c.First).IsEncrypted().HasBlindIndex();
                client.HasIndex(c => new { c.First, c.Last }).IsUnique();
            });
        await SaveAsync(new Client { Id = 1, First = "ada", Last = "one", Note = "old" }, new Client { Id = 2, First = "ada", Last = "two" });
        await using (var db = Open())
        {
            var clients = await db.Set<Client>().OrderBy(c => c.Id).ToListAsync();
            (clients[0].Last, clients[1].Last) = ("two", "three");
            await db.SaveChangesAsync();
            (clients[0].Last, clients[1].Last) = ("four", "two");
            await db.SaveChangesAsync();
            Recorder.Clear();
            clients[0].Note = "new";
            await db.SaveChangesAsync();
            Assert.DoesNotContain(Recorder.Commands, c => c.Contains("BlindIndex", StringComparison.Ordinal));
        }

        await using var reader = Open();
        Assert.Equal([2], await reader.Set<Client>().Where(c => c.First == "ada" && c.Last == "two").Select(c => c.Id).ToListAsync());
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(false, 5)]
    [InlineData(true, 0)]
    [InlineData(true, 5)]
    public async Task Dependent_that_takes_the_place_of_one_of_another_type_is_saved(bool encrypted, int score)
    {
        await CreateAsync(
            model =>
            {
                model.Entity<Keeper>().Property(k => k.Id).ValueGeneratedNever();
                model.Entity<Keeper>().HasOne(k => k.Pet).WithOne().HasForeignKey<Pet>(p => p.Id);
                model.Entity<Fish>();
                var points = model.Entity<Bird>().Property(b => b.Score);
                if (encrypted)
                    points.IsEncrypted().HasBlindIndex();
            });
        await SaveAsync(new Keeper { Id = 1, Pet = new Fish { Name = "nemo" } });
        await using (var db = Open())
        {
            (await db.Set<Keeper>().Include(k => k.Pet).SingleAsync()).Pet = new Bird { Name = "polly", Score = score };
            await db.SaveChangesAsync();
        }

        await using var reader = Open();
        var bird = await reader.Set<Bird>().SingleAsync();
        Assert.Equal(("polly", score), (bird.Name, bird.Score));

        // Plain EF Core leaves a default value out, too.
        Assert.Equal(score == 0 ? 0 : 1, await reader.Set<Bird>().CountAsync(b => b.Score == score));
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("randomized")]
    [InlineData("blind")]
    [InlineData("unique")]
    [InlineData("deterministic")]
    [InlineData("text")]
    [InlineData("backfilled")]
    [InlineData("compound")]
    public async Task Value_that_a_converter_turns_into_null_is_stored_as_null(string kind)
    {
        await CreateAsync(
            model =>
            {
                var client = model.Entity<Client>();
                client.ToTable("Clients").Property(c => c.Id).ValueGeneratedNever();
                var email = client.Property(c => c.Email).HasMaxLength(50).HasConversion(v => v == "" ? null : v, v => v);
                client.Property(c => c.First).HasConversion(v => v == "" ? null : v, v => v);
                switch (kind)
                {
                    case "randomized":
                        email.IsEncrypted();
                        break;
                    case "blind" or "unique":
                        email.IsEncrypted().HasBlindIndex(isUnique: kind == "unique");
                        break;
                    case "deterministic":
                        email.IsEncrypted(EncryptionMode.Deterministic);
                        client.HasIndex(c => c.Email).IsUnique();
                        break;
                    case "text":
                        email.IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text);
                        break;
                    case "backfilled":
                        email.IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling();
                        break;
                    case "compound":
                        email.IsEncrypted();
                        client.Property(c => c.First).IsEncrypted();
                        client.HasBlindIndex(c => new { c.Email, c.First });
                        break;
                }
            });
        await SaveAsync(new Client { Id = 1, Email = "", First = "ada" }, new Client { Id = 2, Email = "two@x", First = "ada" }, new Client { Id = 3, Email = "" });
        Assert.Equal([true, false, true], (await Database.QueryAsync($"SELECT {Database.Quote("Email")} FROM {Database.Quote("Clients")} ORDER BY {Database.Quote("Id")}")).Select(v => v is null));
        await using var db = Open();
        Assert.Equal([null, "two@x", null], await db.Set<Client>().OrderBy(c => c.Id).Select(c => c.Email).ToListAsync());
        if (kind is not ("randomized" or "compound"))
        {
            var empty = "";
            string[] some = ["", "two@x"];
            Assert.Equal(0, await db.Set<Client>().CountAsync(c => c.Email == empty));
            Assert.Equal(0, await db.Set<Client>().CountAsync(c => c.Email == ""));

            // Npgsql looks for null as well if the array of a plain column holds one.
            var isNpgsql = db.Database.ProviderName!.StartsWith("Npgsql", StringComparison.Ordinal);
            Assert.Equal(isNpgsql && kind == "plain" ? 3 : 1, await db.Set<Client>().CountAsync(c => some.Contains(c.Email)));
            await db.Set<Client>().Where(c => c.Id == 2).ExecuteUpdateAsync(s => s.SetProperty(c => c.Email, empty));
            Assert.Equal(3, await db.Set<Client>().CountAsync(c => c.Email == null));
        }

        var client = await db.Set<Client>().SingleAsync(c => c.Id == 2);
        await db.Entry(client).ReloadAsync();
        client.Email = "three@x";
        await db.SaveChangesAsync();
        client.Email = "";
        await db.SaveChangesAsync();
        Assert.Equal(3, await db.Set<Client>().CountAsync(c => c.Email == null));
    }

    private Task CreateClientsAsync()
        => CreateAsync(
            model =>
            {
                var client = model.Entity<Client>();
                client.ToTable("Clients").Property(c => c.Id).ValueGeneratedNever();
                client.Property(c => c.Email).IsEncrypted().HasBlindIndex();
                client.Property(c => c.First).IsEncrypted();
                client.Property(c => c.Last).IsEncrypted();
                client.HasBlindIndex(c => new { c.First, c.Last });
            });

    private async Task AssertFoundAsync(string email, params int[] ids)
    {
        await using var db = Open();
        Assert.Equal(ids, await db.Set<Client>().Where(c => c.Email == email).OrderBy(c => c.Id).Select(c => c.Id).ToListAsync());
    }

    private async Task AssertFoundAsync(string first, string last, params int[] ids)
    {
        await using var db = Open();
        Assert.Equal(ids, await db.Set<Client>().Where(c => c.First == first && c.Last == last).OrderBy(c => c.Id).Select(c => c.Id).ToListAsync());
    }

    private AdHocContext OpenWith(IInterceptor interceptor)
    {
        using var db = Open();
        return new AdHocContext(
            (DbContextOptions<AdHocContext>)new DbContextOptionsBuilder<AdHocContext>(Options<AdHocContext>())
                .ReplaceService<IModelCacheKeyFactory, AdHocContext.DescriptionCacheKeyFactory>()
                .AddInterceptors(interceptor)
                .Options,
            db.Description);
    }

    private static void Change(DbContext db, string email)
    {
        foreach (var entry in db.ChangeTracker.Entries<Client>())
            entry.Entity.Email = email;
    }

    private sealed class Changing(string email = "interceptor@x") : SaveChangesInterceptor
    {
        public override InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
        {
            Change(eventData.Context!, email);
            return result;
        }

        public override ValueTask<InterceptionResult<int>> SavingChangesAsync(
            DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
            => new(SavingChanges(eventData, result));
    }

    public sealed class Client
    {
        public int Id { get; set; }

        public string? Email { get; set; }

        public string? First { get; set; }

        public string? Last { get; set; }

        public string? Note { get; set; }
    }

    public abstract class Animal
    {
        public int Id { get; set; }

        public required string Name { get; set; }
    }

    public sealed class Dog : Animal
    {
        public string? Chip { get; set; }

        public string? Owner { get; set; }
    }

    public sealed class Cat : Animal;

    public sealed class Firm
    {
        public int Id { get; set; }

        public required string Name { get; set; }

        public Contact? Contact { get; set; }

        public List<Branch> Branches { get; } = [];
    }

    public sealed class Contact
    {
        public required string Phone { get; set; }
    }

    public sealed class Branch
    {
        public int Id { get; set; }

        public required string Phone { get; set; }
    }

    public sealed class Parent
    {
        public int Id { get; set; }

        public required string Name { get; set; }

        public List<Child> Children { get; } = [];
    }

    public sealed class Child
    {
        public int Id { get; set; }

        public required string Name { get; set; }
    }

    public sealed class Keeper
    {
        public int Id { get; set; }

        public Pet? Pet { get; set; }
    }

    public abstract class Pet
    {
        public int Id { get; set; }

        public required string Name { get; set; }
    }

    public sealed class Fish : Pet;

    public sealed class Bird : Pet
    {
        public int Score { get; set; }
    }
}
