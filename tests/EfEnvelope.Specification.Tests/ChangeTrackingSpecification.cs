using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>The change tracker sees plain values: nothing is written that did not change, and everything that did.</summary>
public abstract class ChangeTrackingSpecification(TestDatabase database) : AdHocSpecification(database)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await CreateAsync(
            b => b.Entity<Note>(
                e =>
                {
                    e.ToTable("Notes").Property(n => n.Id).ValueGeneratedNever();
                    e.Property(n => n.Version).IsConcurrencyToken();
                }));
        await SaveAsync(
            new Note { Id = 1, Title = "first", Text = "text-secret", Photo = [1, 2, 3], Tags = ["a", "b"], Score = 7 },
            new Note { Id = 2, Title = "second", Text = "other-secret" });
        Recorder.Clear();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Saving_what_was_only_read_sends_no_update(bool async)
    {
        await using var db = Open();
        _ = async ? await db.Set<Note>().ToListAsync() : [.. db.Set<Note>()];
        Assert.Equal(0, async ? await db.SaveChangesAsync() : db.SaveChanges());
        Assert.Equal(0, Recorder.Count("UPDATE"));
        Assert.Equal(1, Recorder.Count("SELECT"));
    }

    [Fact]
    public async Task Only_the_changed_column_is_written()
    {
        var before = await ReadStoredAsync("Notes", "Photo");
        await using var db = Open();
        (await db.Set<Note>().FindAsync(1))!.Text = "changed-secret";
        Assert.Equal(1, await db.SaveChangesAsync());
        var update = Assert.Single(Recorder.Commands, c => c.Contains("UPDATE", StringComparison.Ordinal));
        Assert.Contains("Text", update);
        Assert.DoesNotContain("Photo", update);
        Assert.Equal(before, await ReadStoredAsync("Notes", "Photo"));
        Assert.Equal("changed-secret", await ReadTextAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_list_changed_in_place_is_saved(bool async)
    {
        await using (var db = Open())
        {
            db.Set<Note>().Single(n => n.Id == 1).Tags.Add("c");
            Assert.Equal(1, async ? await db.SaveChangesAsync() : db.SaveChanges());
        }

        await using (var db = Open())
            Assert.Equal(["a", "b", "c"], db.Set<Note>().Single(n => n.Id == 1).Tags);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_array_changed_in_place_is_saved(bool async)
    {
        await using (var db = Open())
        {
            db.Set<Note>().Single(n => n.Id == 1).Photo![0] = 9;
            Assert.Equal(1, async ? await db.SaveChangesAsync() : db.SaveChanges());
        }

        await using (var db = Open())
            Assert.Equal([9, 2, 3], db.Set<Note>().Single(n => n.Id == 1).Photo);
    }

    [Fact]
    public async Task Replacing_a_value_by_an_equal_one_is_no_update()
    {
        await using var db = Open();
        var note = await db.Set<Note>().SingleAsync(n => n.Id == 1);
        note.Photo = [1, 2, 3];
        note.Tags = ["a", "b"];
        note.Text = new string("text-secret".AsSpan());
        Assert.Equal(0, await db.SaveChangesAsync());
        Assert.Equal(0, Recorder.Count("UPDATE"));
    }

    [Fact]
    public async Task Setting_null_stores_null()
    {
        await using (var db = Open())
        {
            var note = await db.Set<Note>().SingleAsync(n => n.Id == 1);
            (note.Photo, note.Score) = (null, null);
            Assert.Equal(1, await db.SaveChangesAsync());
        }

        Assert.Equal([null, null], await ReadStoredAsync("Notes", "Photo"));
        Assert.Equal([null, null], await ReadStoredAsync("Notes", "Score"));
        await using (var db = Open())
        {
            (await db.Set<Note>().SingleAsync(n => n.Id == 1)).Score = 8;
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
            Assert.Equal(8, db.Set<Note>().Single(n => n.Id == 1).Score);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Updating_a_detached_entity_writes_all_of_it(bool async)
    {
        await using (var db = Open())
        {
            db.Update(new Note { Id = 1, Title = "detached", Text = "detached-secret", Tags = ["z"] });
            Assert.Equal(1, async ? await db.SaveChangesAsync() : db.SaveChanges());
        }

        await using (var db = Open())
        {
            var note = await db.Set<Note>().SingleAsync(n => n.Id == 1);
            Assert.Equal(("detached", "detached-secret", null), (note.Title, note.Text, note.Photo));
            Assert.Equal(["z"], note.Tags);
        }
    }

    [Fact]
    public async Task An_attached_entity_writes_only_what_is_changed_after()
    {
        await using (var db = Open())
        {
            var note = new Note { Id = 1, Title = "ignored", Text = "ignored" };
            db.Attach(note);
            note.Text = "attached-secret";
            Assert.Equal(1, await db.SaveChangesAsync());
        }

        await using (var db = Open())
        {
            var note = await db.Set<Note>().SingleAsync(n => n.Id == 1);
            Assert.Equal(("first", "attached-secret"), (note.Title, note.Text));
            Assert.Equal([1, 2, 3], note.Photo);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reload_and_database_values_open_what_is_stored(bool async)
    {
        await using var db = Open();
        var note = await db.Set<Note>().SingleAsync(n => n.Id == 1);
        await using (var other = Open())
            await other.Set<Note>().Where(n => n.Id == 1).ExecuteUpdateAsync(s => s.SetProperty(n => n.Text, "stored-secret"));

        note.Text = "current-secret";
        var entry = db.Entry(note);
        var values = async ? await entry.GetDatabaseValuesAsync() : entry.GetDatabaseValues();
        Assert.Equal("stored-secret", values![nameof(Note.Text)]);
        Assert.Equal([1, 2, 3], (byte[])values[nameof(Note.Photo)]!);
        Assert.Equal(("text-secret", "current-secret"), (entry.OriginalValues[nameof(Note.Text)], entry.CurrentValues[nameof(Note.Text)]));

        if (async)
            await entry.ReloadAsync();
        else
            entry.Reload();
        Assert.Equal("stored-secret", note.Text);
        Assert.Equal(EntityState.Unchanged, entry.State);
    }

    [Fact]
    public async Task A_concurrency_token_beside_encrypted_columns_detects_a_conflict()
    {
        await using var db = Open();
        var note = await db.Set<Note>().SingleAsync(n => n.Id == 1);
        await using (var other = Open())
        {
            var theirs = await other.Set<Note>().SingleAsync(n => n.Id == 1);
            (theirs.Text, theirs.Version) = ("theirs-secret", theirs.Version + 1);
            await other.SaveChangesAsync();
        }

        (note.Text, note.Version) = ("mine-secret", note.Version + 1);
        var e = await Assert.ThrowsAsync<DbUpdateConcurrencyException>(() => db.SaveChangesAsync());
        var entry = Assert.Single(e.Entries);
        var stored = await entry.GetDatabaseValuesAsync();
        Assert.Equal("theirs-secret", stored![nameof(Note.Text)]);
        entry.OriginalValues.SetValues(stored);
        note.Version = (int)stored[nameof(Note.Version)]! + 1;
        Assert.Equal(1, await db.SaveChangesAsync());
        Assert.Equal("mine-secret", await ReadTextAsync());
    }

    [Fact]
    public async Task Deleting_an_entity_needs_no_key_for_its_values()
    {
        await using (var db = Open())
        {
            db.Remove(await db.Set<Note>().SingleAsync(n => n.Id == 1));
            Assert.Equal(1, await db.SaveChangesAsync());
        }

        Assert.Single(await ReadStoredAsync("Notes", "Text"));
    }

    [Fact]
    public async Task A_saved_entity_keeps_its_plain_values()
    {
        await using var db = Open();
        var note = new Note { Id = 3, Title = "third", Text = "third-secret", Tags = ["x"] };
        db.Add(note);
        await db.SaveChangesAsync();
        Assert.Equal("third-secret", note.Text);
        Assert.Equal("third-secret", db.Entry(note).OriginalValues[nameof(Note.Text)]);
        note.Tags.Add("y");
        Assert.Equal(1, await db.SaveChangesAsync());
    }

    private async Task<string> ReadTextAsync()
    {
        await using var db = Open();
        return await db.Set<Note>().Where(n => n.Id == 1).Select(n => n.Text).SingleAsync();
    }

    public class Note
    {
        public int Id { get; set; }

        public string Title { get; set; } = "";

        [Encrypted]
        public string Text { get; set; } = "";

        [Encrypted]
        public byte[]? Photo { get; set; }

        [Encrypted]
        public List<string> Tags { get; set; } = [];

        [Encrypted]
        public int? Score { get; set; }

        public int Version { get; set; }
    }
}
