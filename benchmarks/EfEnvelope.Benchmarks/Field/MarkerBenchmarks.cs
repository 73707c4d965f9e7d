using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Kms.Local;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace EfEnvelope.Benchmarks.Field;

/// <summary>
/// What does one text of 32 characters allocate on its way through EF Core? EF Core's converters carry an <see cref="Envelope" />, the marker, between
/// the entity and the command, and between the reader and the entity. Baseline: sealing alone.
/// </summary>
[Question(
    "What does one text of 32 characters allocate on its way through EF Core?",
    Note = "The marker is what EF Core's converters carry between the entity and the command, and between the reader and the entity; "
        + "its rows find their key in the ring, as the product does. What counts here is the column *Allocated*: "
        + "an array of 65 bytes is 96 B, a string of 32 characters 88 B. Ratios are to sealing alone.")]
[Micro]
[MemoryDiagnoser]
public class MarkerBenchmarks
{
    private readonly PlaintextCodec<string> _codec = PlaintextCodec<string>.Default;
    private readonly string _value = Samples.NewText(32);
    private DirectoryInfo _folder = null!;
    private Context _context = null!;
    private EnvelopeSession _session = null!;
    private RoleKeys _keys = null!;
    private DataKey _key = null!;
    private FieldContext _field = null!;
    private byte[] _sealed = [];

    [GlobalSetup]
    public void Setup()
    {
        _folder = Directory.CreateTempSubdirectory("efenvelope-bench-");
        var seal = LocalKmsSeal.CreateKeyFile(Path.Combine(_folder.FullName, "seal.key"));
        _context = new Context(
            new DbContextOptionsBuilder<Context>()
                .UseSqlite($"Data Source={Path.Combine(_folder.FullName, "rows.db")};Pooling=False")
                .UseEnvelopeEncryption(e => e.UseLocalKms($"Data Source={Path.Combine(_folder.FullName, "kms.db")}", seal))
                .Options);
        _context.Database.EnsureCreated();
        _context.Add(new Row { Ssn = _value });
        _context.SaveChanges();
        _session = _context.GetService<EnvelopeSession>();
        _keys = new RoleKeys(_session.LoadRing(RingUse.Read));
        _key = _keys.Find(KeyRole.Primary)!;
        _field = _codec.GetField("Rows.Ssn");
        _sealed = MarkAndSeal();
        Samples.Require(Open() == _value && WrapAndOpen() == _value && _context.Set<Row>().AsNoTracking().Single().Ssn == _value, "the value opens");
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _context.Dispose();
        _folder.Delete(recursive: true);
    }

    [Benchmark(Baseline = true, Description = "Out: seal alone")]
    public byte[] Seal() => EnvelopeCodec.Encrypt(_key, _field, EnvelopeAlgorithm.Aes256Gcm, _value, _codec);

    [Benchmark(Description = "Out: marker, then seal")]
    public byte[] MarkAndSeal()
        => ((PendingEnvelope)Envelope.From(_value, _field.Name, (int)EnvelopeAlgorithm.Aes256Gcm, unique: false)).Seal(_keys)!;

    [Benchmark(Description = "Back: open alone")]
    public string Open() => EnvelopeCodec.Decrypt(EnvelopeCodec.ReadHeader(_field, _sealed), _key, _field, _sealed, _codec);

    [Benchmark(Description = "Back: marker, then open")]
    public string WrapAndOpen() => Envelope.To<string>(new StoredEnvelope(_sealed, _session), _field.Name);

    private sealed class Row
    {
        public int Id { get; set; }

        [Encrypted]
        public string Ssn { get; set; } = "";
    }

    private sealed class Context(DbContextOptions<Context> options) : DbContext(options)
    {
        public DbSet<Row> Rows => Set<Row>();
    }
}
