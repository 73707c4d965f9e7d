using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Plaintexts of every type become encrypted columns that EF Core reads as the same values, and plaintext columns again.</summary>
public abstract class JobTypesSpecification(TestDatabase database) : AdHocSpecification(database)
{
    private EncryptedDatabase? _encrypted;

    [Fact]
    public Task Bool() => RoundTripAsync(true, false);

    [Fact]
    public Task Bytes() => RoundTripOfAsync<byte[]>([], [0], [1, 2, 255], new byte[3000]);

    [Fact]
    public Task Text() => RoundTripOfAsync("", "a", "ü 日本 😀", "efenvelope:v1:abc", " x ");

    [Fact]
    public Task SignedBytes() => RoundTripAsync(sbyte.MinValue, (sbyte)0, sbyte.MaxValue);

    [Fact]
    public Task UnsignedBytes() => RoundTripAsync(byte.MinValue, byte.MaxValue);

    [Fact]
    public Task Shorts() => RoundTripAsync(short.MinValue, (short)-1, short.MaxValue);

    [Fact]
    public Task UnsignedShorts() => RoundTripAsync(ushort.MinValue, ushort.MaxValue);

    [Fact]
    public Task Integers() => RoundTripAsync(int.MinValue, 0, int.MaxValue);

    [Fact]
    public Task UnsignedIntegers() => RoundTripAsync(uint.MinValue, uint.MaxValue);

    [Fact]
    public Task Longs() => RoundTripAsync(long.MinValue, 0, long.MaxValue);

    [Fact]
    public Task UnsignedLongs() => RoundTripAsync(ulong.MinValue, (ulong)long.MaxValue, ulong.MaxValue);

    [Fact]
    public Task Floats() => RoundTripAsync(float.MinValue, float.Epsilon, 0.1f, -0f, float.MaxValue, float.PositiveInfinity);

    [Fact]
    public Task Doubles() => RoundTripAsync(double.MinValue, double.Epsilon, 0.1, -0.0, double.MaxValue, double.NegativeInfinity);

    [Fact]
    public Task Decimals() => RoundTripAsync(decimal.MinValue, -0.5m, 0m, 1.00m, 1m, 0.0000000000000000000000000001m, decimal.MaxValue);

    [Fact]
    public Task Chars() => RoundTripAsync('a', 'ü', '\'', '日');

    [Fact]
    public Task Guids() => RoundTripAsync(Guid.Empty, new Guid("0123ABCD-0000-0000-ffff-0000000000f1"));

    [Fact]
    public Task Dates() => RoundTripAsync(DateOnly.MinValue, new DateOnly(2024, 2, 29), DateOnly.MaxValue);

    [Fact]
    public Task Times() => RoundTripAsync(TimeOnly.MinValue, new TimeOnly(12, 0), new TimeOnly(12, 34, 56).Add(TimeSpan.FromMicroseconds(789)), new TimeOnly(23, 59, 59));

    [Fact]
    public Task TimeSpans()
        => RoundTripAsync(TimeSpan.Zero, TimeSpan.FromMicroseconds(-1), TimeSpan.FromDays(-3) + TimeSpan.FromHours(2), new TimeSpan(-1, -2, -3), TimeSpan.FromDays(10_000), TimeSpan.FromMicroseconds(123456));

    [Fact]
    public Task DateTimes()
        => RoundTripAsync(DateTime.SpecifyKind(DateTime.MinValue, DateTimeKind.Utc), new DateTime(2024, 2, 29, 23, 59, 59, DateTimeKind.Utc).AddMicroseconds(123456), DateTime.SpecifyKind(DateTime.MaxValue, DateTimeKind.Utc));

    [Fact]
    public Task DateTimeOffsets()
        => RoundTripAsync(DateTimeOffset.MinValue, new DateTimeOffset(1969, 12, 31, 1, 2, 3, TimeSpan.Zero).AddMicroseconds(7), DateTimeOffset.MaxValue);

    public override async ValueTask DisposeAsync()
    {
        if (_encrypted is not null)
            await _encrypted.DisposeAsync();
        await base.DisposeAsync();
    }

    private Task RoundTripAsync<T>(params T[] values)
        where T : struct
        => RoundTripOfAsync([.. values.Select(v => (T?)v)]);

    private async Task RoundTripOfAsync<T>(params T[] values)
    {
        // As an application has it that knows no encryption yet.
        await CreateAsync(m => Build<T>(m, b => { b.Property(x => x.Value); b.Ignore(x => x.Secret); b.Ignore(x => x.Copy); }));
        await SaveAsync([.. values.Select((v, i) => new Row<T> { Id = i + 1, Value = v }).Append(new Row<T> { Id = 100 })]);
        _encrypted = EncryptedDatabase.Open(Options<AdHocContext>());
        await _encrypted.Keys.CreateAsync(new Keys.KeyScope("default"));

        var request = new JobRequest { Kind = JobKind.Backfill, Table = "Rows", Columns = ["Value"], Into = "Secret", PlaintextType = TypeNames[Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T)], BatchSize = 3 };
        Assert.Equal((JobState.Completed, values.Length, 0), await RunAsync(request));
        Use(m => Build<T>(m, b => { b.Ignore(x => x.Copy); b.Property(x => x.Secret).IsEncrypted(); }));
        await using (var db = Open())
        {
            var rows = await db.Set<Row<T>>().AsNoTracking().OrderBy(r => r.Id).ToListAsync();
            Assert.Equal(values, rows.SkipLast(1).Select(r => r.Secret!));
            Assert.Equal(rows.Select(r => r.Value), rows.Select(r => r.Secret));
        }

        // Once more, nothing is found to differ; and what the application encrypted itself is decrypted, too.
        Assert.Equal((JobState.Completed, 0, 0), await RunAsync(request));
        await using (var db = Open())
        {
            db.Add(new Row<T> { Id = 101, Secret = values[^1] });
            await db.SaveChangesAsync();
        }

        var decrypt = request with { Kind = JobKind.Decrypt, Columns = ["Secret"], Into = "Copy", PlaintextType = null };
        Assert.Equal((JobState.Completed, values.Length + 1, 0), await RunAsync(decrypt));
        Assert.Equal((JobState.Completed, 0, 0), await RunAsync(decrypt));
        Use(m => Build<T>(m, b => b.Ignore(x => x.Secret)));
        await using (var db = Open())
        {
            var rows = await db.Set<Row<T>>().AsNoTracking().OrderBy(r => r.Id).ToListAsync();
            Assert.Equal(values, rows.SkipLast(2).Select(r => r.Copy!));
            Assert.Equal([default, values[^1]], rows.TakeLast(2).Select(r => r.Copy));
        }

        // As the application itself would have stored it, so that its queries find it.
        if (typeof(T) != typeof(DateTime?))
            Assert.Equal([(long)values.Length], await Database.QueryAsync($"SELECT COUNT(*) FROM {Database.Quote("Rows")} WHERE {Database.Quote("Copy")} = {Database.Quote("Value")}"));
    }

    private static readonly Dictionary<Type, string> TypeNames = new()
    {
        [typeof(bool)] = "bool", [typeof(byte[])] = "bytes", [typeof(string)] = "string", [typeof(sbyte)] = "int8", [typeof(byte)] = "uint8", [typeof(short)] = "int16",
        [typeof(ushort)] = "uint16", [typeof(int)] = "int32", [typeof(uint)] = "uint32", [typeof(long)] = "int64", [typeof(ulong)] = "uint64", [typeof(float)] = "float32",
        [typeof(double)] = "float64", [typeof(decimal)] = "decimal", [typeof(char)] = "char", [typeof(Guid)] = "guid", [typeof(DateOnly)] = "date", [typeof(TimeOnly)] = "time",
        [typeof(TimeSpan)] = "timespan", [typeof(DateTime)] = "datetime", [typeof(DateTimeOffset)] = "datetimeoffset",
    };

    private static void Build<T>(ModelBuilder model, Action<Microsoft.EntityFrameworkCore.Metadata.Builders.EntityTypeBuilder<Row<T>>> build)
        => model.Entity<Row<T>>(
            b =>
            {
                b.ToTable("Rows");
                b.Property(x => x.Id).ValueGeneratedNever();
                build(b);
            });

    private async Task<(JobState, long, long)> RunAsync(JobRequest request)
    {
        var job = await _encrypted!.Jobs.EnqueueAsync(await _encrypted.Jobs.PlanAsync(request));
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(30));
        job = (await _encrypted.Jobs.RunAsync([job.Id], cancellationToken: limit.Token))[0];
        return (job.State, job.RowsWritten, job.RowsRefused);
    }

    private sealed class Row<T>
    {
        public int Id { get; set; }

        public T? Value { get; set; }

        public T? Secret { get; set; }

        public T? Copy { get; set; }
    }
}
