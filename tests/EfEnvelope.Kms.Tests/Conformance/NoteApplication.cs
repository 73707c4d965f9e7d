using EfEnvelope.Rotation;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Kms.Tests.Conformance;

/// <summary>An application with one encrypted column, on SQLite; each call is a process of its own, with the KEKs that it is given.</summary>
public sealed class NoteApplication : IAsyncDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"efenvelope-notes-{Guid.CreateVersion7():N}.db");

    public async Task WriteAsync(IKeyWrapper kek, string text)
    {
        await using var context = Open(kek);
        await context.Database.EnsureCreatedAsync();
        context.Add(new Note { Text = text });
        await context.SaveChangesAsync();
    }

    public async Task<List<string>> ReadAsync(IKeyWrapper kek)
    {
        await using var context = Open(kek);
        return await context.Notes.OrderBy(n => n.Id).Select(n => n.Text).ToListAsync();
    }

    public async Task<List<KekCopyState>> JudgeAsync(params IKeyWrapper[] keks)
    {
        await using var context = Open(keks);
        await using var database = EncryptedDatabase.Open(context);
        return [.. (await database.Keys.ListCopiesAsync(askKms: true)).Select(c => c.State)];
    }

    public async Task RewrapAsync(params IKeyWrapper[] keks)
    {
        await using var context = Open(keks);
        await using var database = EncryptedDatabase.Open(context);
        Assert.Single(await database.Keys.RewrapAllAsync());
    }

    public ValueTask DisposeAsync()
    {
        File.Delete(_file);
        return ValueTask.CompletedTask;
    }

    // A wrapper is its own identity, so that a new one has no cache of keys yet.
    private NoteContext Open(params IKeyWrapper[] keks)
        => new(new DbContextOptionsBuilder<NoteContext>().UseSqlite($"Data Source={_file};Pooling=False")
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
            .UseEnvelopeEncryption(e =>
            {
                foreach (var kek in keks)
                    e.UseKms(new Client(kek));
            }).Options);

    public sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();
    }

    public sealed class Note
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }

    private sealed class Client(IKeyWrapper kek) : IKeyWrapper
    {
        public KekUri Kek => kek.Kek;

        public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
            => kek.WrapAsync(key, context, cancellationToken);

        public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
            => kek.UnwrapAsync(wrapped, context, cancellationToken);

        public ValueTask<WrappedKeyCopy> RewrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
            => kek.RewrapAsync(wrapped, context, cancellationToken);

        public ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default) => kek.DescribeAsync(cancellationToken);
    }
}
