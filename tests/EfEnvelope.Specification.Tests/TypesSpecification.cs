using System.Collections.ObjectModel;
using System.Net;
using System.Text;
using System.Text.Json;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Every type that can be encrypted comes back as it went in, and what is stored is an envelope of the stated length.</summary>
public abstract class TypesSpecification(TestDatabase database) : AdHocSpecification(database)
{
    private static readonly Dictionary<string, Func<TypesSpecification, Task>> Cases = new()
    {
        ["string"] = t => t.RoundTripAsync(["Ada Lovelace", "", "ẞ 漢字 🜚\0", new string('x', 20_000)], v => Encoding.UTF8.GetByteCount(v)),
        ["string?"] = t => t.RoundTripAsync<string?>([null, "", "secret"], v => Encoding.UTF8.GetByteCount(v!)),
        ["byte[]"] = t => t.RoundTripAsync<byte[]>([[], [0], [0xF9, 0, 0, 0, 1], new byte[9000]], v => v.Length),
        ["byte[]?"] = t => t.RoundTripAsync<byte[]?>([null, [], [1, 2]], v => v!.Length),
        ["bool"] = t => t.RoundTripAsync([false, true], _ => 1),
        ["bool?"] = t => t.RoundTripAsync<bool?>([null, false, true], _ => 1),
        ["sbyte"] = t => t.RoundTripAsync<sbyte>([sbyte.MinValue, 0, sbyte.MaxValue], _ => 1),
        ["byte"] = t => t.RoundTripAsync<byte>([0, byte.MaxValue], _ => 1),
        ["short"] = t => t.RoundTripAsync<short>([short.MinValue, 0, short.MaxValue], _ => 2),
        ["ushort"] = t => t.RoundTripAsync<ushort>([0, ushort.MaxValue], _ => 2),
        ["int"] = t => t.RoundTripAsync([int.MinValue, 0, int.MaxValue], _ => 4),
        ["int?"] = t => t.RoundTripAsync<int?>([null, 0, -1], _ => 4),
        ["uint"] = t => t.RoundTripAsync<uint>([0, uint.MaxValue], _ => 4),
        ["long"] = t => t.RoundTripAsync([long.MinValue, 0, long.MaxValue], _ => 8),
        ["long?"] = t => t.RoundTripAsync<long?>([null, 0, long.MaxValue], _ => 8),
        ["ulong"] = t => t.RoundTripAsync<ulong>([0, ulong.MaxValue], _ => 8),
        ["float"] = t => t.RoundTripAsync([float.MinValue, 0, float.NaN, float.NegativeInfinity, 0.1f], _ => 4),
        ["double"] = t => t.RoundTripAsync([double.MinValue, 0, double.NaN, double.PositiveInfinity, 0.1], _ => 8, v => BitConverter.DoubleToInt64Bits(v)),
        ["double?"] = t => t.RoundTripAsync<double?>([null, -0.0, 1e-300], _ => 8, v => v is { } d ? BitConverter.DoubleToInt64Bits(d) : null),
        ["decimal"] = t => t.RoundTripAsync([decimal.MinValue, 0, 1.10m, 1.1m, decimal.MaxValue, 0.0000000000000000000000000001m], _ => 16, v => string.Join(',', decimal.GetBits(v))),
        ["decimal?"] = t => t.RoundTripAsync<decimal?>([null, 12.50m], _ => 16),
        ["Guid"] = t => t.RoundTripAsync([Guid.Empty, Guid.Parse("00112233-4455-6677-8899-aabbccddeeff")], _ => 16),
        ["Guid?"] = t => t.RoundTripAsync<Guid?>([null, Guid.Empty], _ => 16),
        ["DateTime"] = t => t.RoundTripAsync(
            [
                DateTime.MinValue,
                new DateTime(1815, 12, 10, 1, 2, 3, DateTimeKind.Unspecified).AddTicks(7),
                new DateTime(2024, 2, 29, 23, 59, 59, DateTimeKind.Utc),
                new DateTime(2024, 7, 1, 12, 0, 0, DateTimeKind.Local),
                DateTime.MaxValue,
            ],
            _ => 8,
            v => (v.Ticks, v.Kind)),
        ["DateTime?"] = t => t.RoundTripAsync<DateTime?>([null, DateTime.UnixEpoch], _ => 8, v => (v?.Ticks, v?.Kind)),
        ["DateTimeOffset"] = t => t.RoundTripAsync(
            [DateTimeOffset.MinValue, DateTimeOffset.MaxValue, new DateTimeOffset(2024, 1, 1, 0, 0, 0, TimeSpan.FromMinutes(-570))],
            _ => 10,
            v => (v.Ticks, v.Offset)),
        ["DateTimeOffset?"] = t => t.RoundTripAsync<DateTimeOffset?>([null, DateTimeOffset.UnixEpoch], _ => 10),
        ["DateOnly"] = t => t.RoundTripAsync([DateOnly.MinValue, new DateOnly(1815, 12, 10), DateOnly.MaxValue], _ => 4),
        ["DateOnly?"] = t => t.RoundTripAsync<DateOnly?>([null, DateOnly.MinValue], _ => 4),
        ["TimeOnly"] = t => t.RoundTripAsync([TimeOnly.MinValue, new TimeOnly(1, 2, 3).Add(TimeSpan.FromTicks(7)), TimeOnly.MaxValue], _ => 8),
        ["TimeOnly?"] = t => t.RoundTripAsync<TimeOnly?>([null, TimeOnly.MinValue], _ => 8),
        ["TimeSpan"] = t => t.RoundTripAsync([TimeSpan.MinValue, TimeSpan.Zero, TimeSpan.FromTicks(7), TimeSpan.MaxValue], _ => 8),
        ["TimeSpan?"] = t => t.RoundTripAsync<TimeSpan?>([null, TimeSpan.Zero], _ => 8),
        ["char"] = t => t.RoundTripAsync(['\0', 'a', 'ẞ', '漢'], _ => 2),
        ["char?"] = t => t.RoundTripAsync<char?>([null, 'a'], _ => 2),
        ["enum"] = t => t.RoundTripAsync([Mood.Calm, Mood.Stormy, (Mood)77], _ => 4),
        ["enum?"] = t => t.RoundTripAsync<Mood?>([null, Mood.Calm], _ => 4),
        ["enum of bytes"] = t => t.RoundTripAsync([Small.None, Small.All], _ => 1),
        ["enum of ulongs"] = t => t.RoundTripAsync([Large.None, Large.All], _ => 8),
        ["Uri"] = t => t.RoundTripAsync([new Uri("https://example.org/secret?q=1"), new Uri("relative", UriKind.Relative)], v => v.ToString().Length),
        ["Uri?"] = t => t.RoundTripAsync<Uri?>([null, new Uri("https://example.org/")], v => v!.ToString().Length),
        ["IPAddress"] = t => t.RoundTripAsync([IPAddress.Loopback, IPAddress.IPv6Loopback], v => v.ToString().Length),
        ["List<string>"] = t => t.RoundTripAsync<List<string>>([[], ["plain", "", "with \"quotes\" and ẞ"]], v => v.Count == 0 ? 2 : null),
        ["List<string>?"] = t => t.RoundTripAsync<List<string>?>([null, [], ["secret"]], v => v!.Count == 0 ? 2 : "[\"secret\"]".Length),
        ["int[]"] = t => t.RoundTripAsync<int[]>([[], [1, -2, 3]], v => v.Length == 0 ? 2 : "[1,-2,3]".Length),
        ["List<int?>"] = t => t.RoundTripAsync<List<int?>>([[], [1, null, 3]], v => v.Count == 0 ? 2 : "[1,null,3]".Length),
        ["double[]"] = t => t.RoundTripAsync<double[]>([[], [double.NaN, 0.1]], v => v.Length == 0 ? 2 : null),
        ["Guid[]"] = t => t.RoundTripAsync<Guid[]>([[], [Guid.Empty]], v => v.Length == 0 ? 2 : null),
        ["ReadOnlyCollection<int>"] = t => t.RoundTripAsync<ReadOnlyCollection<int>>([new([]), new([1, 2])], v => v.Count == 0 ? 2 : "[1,2]".Length),
        ["ReadOnlyCollection<string?>"] = t => t.RoundTripAsync<ReadOnlyCollection<string?>?>([null, new(["a", null])], _ => "[\"a\",null]".Length),
        ["IReadOnlyList<int>"] = t => t.RoundTripAsync<IReadOnlyList<int>>([[], [1, 2]], v => v.Count == 0 ? 2 : "[1,2]".Length),
        ["ObservableCollection<int>"] = t => t.RoundTripAsync<ObservableCollection<int>>([[], [1, 2]], v => v.Count == 0 ? 2 : "[1,2]".Length),
        ["List<DateOnly>"] = t => t.RoundTripAsync<List<DateOnly>>([[new DateOnly(2024, 2, 29)]], _ => "[\"2024-02-29\"]".Length),
        ["List<Mood>"] = t => t.RoundTripAsync<List<Mood>>([[Mood.Calm, Mood.Stormy]], _ => null),
    };

    public static TheoryData<string> Types => new(Cases.Keys);

    [Theory]
    [MemberData(nameof(Types))]
    public Task A_value_comes_back_as_it_went_in(string type) => Cases[type](this);

    [Fact]
    public async Task An_enum_converted_to_a_string_is_encrypted_as_text()
    {
        await CreateAsync(b => Map<Mood>(b).Property(h => h.Value).HasConversion<string>().IsEncrypted());
        await AssertRoundTripAsync([Mood.Calm, Mood.Stormy], v => v.ToString().Length);
    }

    [Fact]
    public async Task A_provider_type_given_for_a_number_is_what_is_encrypted()
    {
        await CreateAsync(b => Map<int>(b).Property(h => h.Value).HasConversion<long>().IsEncrypted());
        await AssertRoundTripAsync([1, -7], _ => 8);
    }

    [Fact]
    public async Task A_conversion_by_lambdas_stands_before_the_encryption()
    {
        await CreateAsync(
            b => Map<Money>(b).Property(h => h.Value)
                .HasConversion(v => $"{v.Currency} {v.Cents}", s => new Money(s.Substring(0, 3), long.Parse(s.Substring(4)))).IsEncrypted());
        await AssertRoundTripAsync([new Money("EUR", 1250)], _ => "EUR 1250".Length);
        await AssertEncryptedAsync("Holders", "Value", "EUR");
    }

    [Fact]
    public async Task A_record_is_encrypted_as_the_JSON_that_its_converter_writes()
    {
        await CreateAsync(
            b => Map<Passport>(b).Property(h => h.Value)
                .HasConversion(v => JsonSerializer.Serialize(v, JsonSerializerOptions.Default), s => JsonSerializer.Deserialize<Passport>(s, JsonSerializerOptions.Default)!)
                .IsEncrypted());
        var passport = new Passport("X123", new DateOnly(2030, 1, 1));
        await AssertRoundTripAsync([passport], v => JsonSerializer.Serialize(v).Length);
        await AssertEncryptedAsync("Holders", "Value", "X123");
    }

    [Fact]
    public async Task A_struct_converted_by_convention_is_encrypted()
    {
        await CreateAsync(
            b => Map<Celsius>(b).Property(h => h.Value).IsEncrypted(),
            c => c.Properties<Celsius>().HaveConversion<CelsiusConverter>());
        await AssertRoundTripAsync([new Celsius(36.6), new Celsius(-3)], _ => 8);
    }

    [Fact]
    public async Task A_null_struct_converted_by_convention_stays_null()
    {
        await CreateAsync(
            b => Map<Celsius?>(b).Property(h => h.Value).IsEncrypted(),
            c => c.Properties<Celsius>().HaveConversion<CelsiusConverter>());
        await AssertRoundTripAsync<Celsius?>([null, new Celsius(36.6)], _ => 8);
    }

    [Fact]
    public async Task A_field_a_field_only_property_and_a_private_setter_are_encrypted()
    {
        await CreateAsync(
            b => b.Entity<Fielded>(
                e =>
                {
                    e.ToTable("Fielded");
                    e.Property(f => f.Id).ValueGeneratedNever();
                    e.Property<string>("_hidden");
                    e.Property(f => f.PublicField);
                    e.Property(f => f.ReadOnly).HasField("_readOnly");
                }));
        await SaveAsync(new Fielded(1, "hidden-secret", "read-only-secret") { PublicField = "public-secret" });

        await using var db = Open();
        var read = await db.Set<Fielded>().SingleAsync();
        Assert.Equal("hidden-secret", read.GetHidden());
        Assert.Equal("public-secret", read.PublicField);
        Assert.Equal("read-only-secret", read.ReadOnly);
        Assert.Equal("hidden-secret", await db.Set<Fielded>().Select(f => EF.Property<string>(f, "_hidden")).SingleAsync());
        foreach (var (column, plaintext) in new[] { ("_hidden", "hidden-secret"), ("PublicField", "public-secret"), ("ReadOnly", "read-only-secret") })
            await AssertEncryptedAsync("Fielded", column, plaintext);
    }

    [Fact]
    public async Task A_shadow_property_is_encrypted()
    {
        await CreateAsync(b => Map<int>(b).Property<string>("Shadow").IsEncrypted());
        await using (var db = Open())
        {
            var holder = new Holder<int> { Id = 1 };
            db.Add(holder);
            db.Entry(holder).Property("Shadow").CurrentValue = "shadow-secret";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            var holder = await db.Set<Holder<int>>().SingleAsync();
            Assert.Equal("shadow-secret", db.Entry(holder).Property("Shadow").CurrentValue);
            Assert.Equal("shadow-secret", db.Set<Holder<int>>().Select(h => EF.Property<string>(h, "Shadow")).Single());
        }

        await AssertEncryptedAsync("Holders", "Shadow", "shadow-secret");
    }

    [Fact]
    public async Task Members_inherited_from_a_class_outside_the_model_are_encrypted()
    {
        await CreateAsync(b => b.Entity<Heir>(e => e.ToTable("Heirs").Property(h => h.Id).ValueGeneratedNever()));
        await SaveAsync(new Heir { Id = 1, Inherited = "inherited-secret", Overridden = "overridden-secret", Abstract = "abstract-secret" });

        await using var db = Open();
        var read = await db.Set<Heir>().SingleAsync();
        Assert.Equal(("inherited-secret", "overridden-secret", "abstract-secret"), (read.Inherited, read.Overridden, read.Abstract));
        foreach (var (column, plaintext) in new[] { ("Inherited", "inherited-secret"), ("Overridden", "overridden-secret"), ("Abstract", "abstract-secret") })
            await AssertEncryptedAsync("Heirs", column, plaintext);
    }

    [Fact]
    public async Task Equal_values_have_different_envelopes()
    {
        await CreateAsync(b => Map<string>(b).Property(h => h.Value).IsEncrypted());
        await SaveAsync([.. Enumerable.Range(1, 20).Select(id => new Holder<string> { Id = id, Value = "same" })]);
        var stored = await ReadStoredAsync("Holders", "Value");
        Assert.Equal(20, stored.Select(v => Convert.ToHexString(v!)).Distinct().Count());
    }

    [Fact]
    public async Task A_null_in_a_required_column_is_refused_by_the_database()
    {
        await CreateAsync(b => Map<string>(b).Property(h => h.Value).IsRequired().IsEncrypted());
        await using var db = Open();
        db.Add(new Holder<string> { Id = 1, Value = null! });
        await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        Assert.Empty(await ReadStoredAsync("Holders", "Value"));
    }

    [Fact]
    public async Task Half_a_surrogate_pair_is_refused_instead_of_being_replaced()
    {
        await CreateAsync(b => Map<string>(b).Property(h => h.Value).IsEncrypted());
        await using var db = Open();
        db.Add(new Holder<string> { Id = 1, Value = "broken \uD83D" });
        var e = await Assert.ThrowsAnyAsync<Exception>(() => db.SaveChangesAsync());
        Assert.Contains("'Holders.Value' is not valid Unicode", (e as EnvelopeConfigurationException ?? e.InnerException)!.Message);
        Assert.Empty(await ReadStoredAsync("Holders", "Value"));
    }

    [Fact]
    public async Task A_value_of_the_maximum_length_fits_its_column()
    {
        await CreateAsync(b => Map<string>(b).Property(h => h.Value).HasMaxLength(50).IsEncrypted());
        await AssertRoundTripAsync([new string('漢', 50)], _ => 150);
        await using var db = Open();
        Assert.Equal(183, db.Model.FindEntityType(typeof(Holder<string>))!.FindProperty("Value")!.GetMaxLength());
    }

    [Fact]
    public async Task Length_precision_and_fixed_length_of_the_plain_column_are_not_kept()
    {
        await CreateAsync(
            b =>
            {
                Map<decimal>(b).Property(h => h.Value).HasPrecision(18, 4).IsEncrypted();
                b.Entity<Holder<decimal>>().Property<string>("Code").HasMaxLength(3).IsFixedLength().IsUnicode(false).IsEncrypted();
            });
        await using (var db = Open())
        {
            var type = db.Model.FindEntityType(typeof(Holder<decimal>))!;
            Assert.Equal((16 + 33, null, null), (type.FindProperty("Value")!.GetMaxLength(), type.FindProperty("Value")!.GetPrecision(), type.FindProperty("Value")!.GetScale()));
            Assert.Equal((9 + 33, null, null), (type.FindProperty("Code")!.GetMaxLength(), type.FindProperty("Code")!.IsUnicode(), type.FindProperty("Code")!.IsFixedLength()));
            var holder = new Holder<decimal> { Id = 1, Value = 1.23456789m };
            db.Add(holder).Property("Code").CurrentValue = "漢";
            await db.SaveChangesAsync();
        }

        await using (var db = Open())
        {
            Assert.Equal(1.23456789m, (await db.Set<Holder<decimal>>().SingleAsync()).Value);
            Assert.Equal("漢", await db.Set<Holder<decimal>>().Select(h => EF.Property<string>(h, "Code")).SingleAsync());
        }
    }

    private static Microsoft.EntityFrameworkCore.Metadata.Builders.EntityTypeBuilder<Holder<T>> Map<T>(ModelBuilder builder)
    {
        var entity = builder.Entity<Holder<T>>().ToTable("Holders");
        entity.Property(h => h.Id).ValueGeneratedNever();
        return entity;
    }

    [Fact]
    public async Task Converter_to_a_type_that_EF_Core_keeps_as_text_is_composed_with_EF_Cores_own()
    {
        await CreateAsync(b => Map<Link>(b).Property(h => h.Value).HasConversion(v => v.Target, u => new Link(u)).IsEncrypted());
        await AssertRoundTripAsync([new Link(new Uri("https://example.org/secret")), new Link(new Uri("relative", UriKind.Relative))], v => v.Target.ToString().Length);
    }

    [Fact]
    public async Task Converter_to_an_address_is_composed_and_can_be_searched()
    {
        await CreateAsync(
            b => Map<Host>(b).Property(h => h.Value).HasConversion(v => v.Address, a => new Host(a)).IsEncrypted().HasBlindIndex());
        await AssertRoundTripAsync([new Host(IPAddress.Loopback), new Host(IPAddress.IPv6Loopback)], _ => null);

        await using var db = Open();
        Assert.Equal(2, await db.Set<Holder<Host>>().CountAsync(h => h.Value == new Host(IPAddress.Loopback)));
    }

    public sealed record Link(Uri Target);

    public sealed record Host(IPAddress Address);

    private async Task RoundTripAsync<T>(T[] values, Func<T, int?> plaintextLength, Func<T, object?>? describe = null)
    {
        var nullable = values.Contains(default) && default(T) is null;
        await CreateAsync(b => Map<T>(b).Property(h => h.Value).IsRequired(!nullable).IsEncrypted());
        await AssertRoundTripAsync(values, plaintextLength, describe);
    }

    private async Task AssertRoundTripAsync<T>(T[] values, Func<T, int?> plaintextLength, Func<T, object?>? describe = null)
    {
        describe ??= v => v;
        await using (var db = Open())
        {
            db.AddRange(values.Select((value, i) => new Holder<T> { Id = i, Value = value }));
            db.SaveChanges();
            db.AddRange(values.Select((value, i) => new Holder<T> { Id = values.Length + i, Value = value }));
            await db.SaveChangesAsync();
        }

        values = [.. values, .. values];
        await using (var db = Open())
        {
            var expected = values.Select(describe).ToList();
            Assert.Equal(expected, db.Set<Holder<T>>().OrderBy(h => h.Id).ToList().Select(h => describe(h.Value)));
            Assert.Equal(expected, (await db.Set<Holder<T>>().AsNoTracking().OrderBy(h => h.Id).ToListAsync()).Select(h => describe(h.Value)));
            Assert.Equal(expected, db.Set<Holder<T>>().OrderBy(h => h.Id).Select(h => h.Value).ToList().Select(describe));
            Assert.Equal(expected, (await db.Set<Holder<T>>().OrderBy(h => h.Id).Select(h => h.Value).ToListAsync()).Select(describe));
            db.ChangeTracker.DetectChanges();
            Assert.False(db.ChangeTracker.HasChanges());
        }

        var stored = await ReadStoredAsync("Holders", "Value");
        Assert.Equal(values.Length, stored.Count);
        foreach (var (value, bytes) in values.Zip(stored))
        {
            if (value is null)
                Assert.Null(bytes);
            else
                StoredBytes.AssertEnvelope(bytes!, plaintextLength(value));
        }
    }

    public class Holder<T>
    {
        public int Id { get; set; }

        public T Value { get; set; } = default!;
    }

    public enum Mood
    {
        Calm,
        Stormy,
    }

    public enum Small : byte
    {
        None,
        All = byte.MaxValue,
    }

    public enum Large : ulong
    {
        None,
        All = ulong.MaxValue,
    }

    public sealed record Money(string Currency, long Cents);

    public sealed record Passport(string Number, DateOnly ValidUntil);

    public readonly record struct Celsius(double Degrees);

    public sealed class CelsiusConverter()
        : Microsoft.EntityFrameworkCore.Storage.ValueConversion.ValueConverter<Celsius, double>(v => v.Degrees, v => new Celsius(v));

    public class Fielded
    {
        [Encrypted]
        private readonly string _hidden;

        private readonly string _readOnly;

        [Encrypted]
        public string PublicField = "";

        public Fielded(int id, string hidden, string readOnly)
        {
            (Id, _hidden, _readOnly) = (id, hidden, readOnly);
        }

        private Fielded()
            : this(0, "", "")
        {
        }

        public int Id { get; private set; }

        [Encrypted]
        public string ReadOnly => _readOnly;

        public string GetHidden() => _hidden;
    }

    public abstract class Ancestor
    {
        [Encrypted]
        public string Inherited { get; set; } = "";

        [Encrypted]
        public virtual string Overridden { get; set; } = "";

        [Encrypted]
        public abstract string Abstract { get; set; }
    }

    public class Heir : Ancestor
    {
        public int Id { get; set; }

        public override string Overridden { get; set; } = "";

        public override string Abstract { get; set; } = "";
    }
}
