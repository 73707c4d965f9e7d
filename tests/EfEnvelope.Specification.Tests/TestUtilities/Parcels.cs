using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>How the values of a parcel are kept: the same class stands for a table of each kind, so that one query can be asked of all.</summary>
public static class ParcelKinds
{
    public const string Plain = nameof(Plain);
    public const string Deterministic = nameof(Deterministic);
    public const string Indexed = nameof(Indexed);

    /// <summary>Gets the kinds that are encrypted.</summary>
    public static IReadOnlyList<string> Encrypted { get; } = [Deterministic, Indexed];
}

/// <summary>The tables of all kinds.</summary>
public sealed class ParcelsContext(DbContextOptions<ParcelsContext> options) : DbContext(options)
{
    public IQueryable<Parcel> Parcels(string kind) => Set<Parcel>($"{kind}Parcel");

    public IQueryable<Part> Parts(string kind) => Set<Part>($"{kind}Part");

    /// <summary>Fills the tables of a kind.</summary>
    public async Task SeedAsync(string kind)
    {
        foreach (var parcel in (Parcel[])
                 [
                     new() { Id = 3, Name = "c", Flag = true, Maybe = null, Region = null, Code = "c3", Number = null, Level = 3, Qty = 3 },
                     new() { Id = 4, Name = "d", Flag = false, Maybe = true, Region = "OR", Code = "WA", Number = 1, Level = 1, Qty = 1, NextId = 3 },
                     new() { Id = 2, Name = "b", Flag = false, Maybe = false, Region = "WA", Code = "c2", Number = 2, Level = 2, Qty = 2, Letter = 'b', Grade = Grade.B, NextId = 3 },
                     new()
                     {
                         Id = 1, Name = "a", Flag = true, Maybe = true, Region = "OR", Code = "OR", Number = 1, Level = 1, Qty = 1, Tiny = 1, Signed = 1, Letter = 'a', Count = 1,
                         Large = 1, Office = new Office("north"), NextId = 2,
                     },
                     new() { Id = 5, Name = "e", Flag = true, Maybe = null, Region = null, Code = "", Number = null, Level = 0, Qty = -1, NextId = 2 },
                 ])
        {
            Set<Parcel>($"{kind}Parcel").Add(parcel);
            await SaveChangesAsync();
        }

        Set<Part>($"{kind}Part").AddRange(
            new Part { Id = 1, ParcelId = 1, New = true, Old = true, Text = "OR" }, new Part { Id = 2, ParcelId = 1, New = false, Old = null, Text = null },
            new Part { Id = 3, ParcelId = 2, New = false, Old = false, Text = "x" }, new Part { Id = 4, ParcelId = 4, New = true, Old = null, Text = null });
        await SaveChangesAsync();
        ChangeTracker.Clear();
    }

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        Build(modelBuilder, ParcelKinds.Plain, null);
        Build(modelBuilder, ParcelKinds.Deterministic, EncryptionMode.Deterministic);
        Build(modelBuilder, ParcelKinds.Indexed, EncryptionMode.Randomized);
    }

    internal static void Build(ModelBuilder modelBuilder, string kind, EncryptionMode? mode)
    {
        modelBuilder.SharedTypeEntity<Part>(
            $"{kind}Part",
            e =>
            {
                e.ToTable($"{kind}Parts").Property(p => p.Id).ValueGeneratedNever();
                if (mode is not { } encrypted)
                    return;
                Mark(e.Property(p => p.New), encrypted);
                Mark(e.Property(p => p.Old), encrypted);
                Mark(e.Property(p => p.Text), encrypted, $"{kind}.Text");
            });
        modelBuilder.SharedTypeEntity<Parcel>(
            $"{kind}Parcel",
            e =>
            {
                e.ToTable($"{kind}Parcels").Property(c => c.Id).ValueGeneratedNever();
                e.Property(c => c.Office).HasConversion(o => o!.Text, t => new Office(t));
                e.HasOne($"{kind}Parcel", nameof(Parcel.Next)).WithMany().HasForeignKey(nameof(Parcel.NextId)).OnDelete(DeleteBehavior.NoAction);
                e.HasMany($"{kind}Part", nameof(Parcel.Parts)).WithOne().HasForeignKey(nameof(Part.ParcelId));
                if (mode is not { } encrypted)
                    return;
                Mark(e.Property(c => c.Flag));
                Mark(e.Property(c => c.Maybe));
                Mark(e.Property(c => c.Number));
                Mark(e.Property(c => c.Level));
                Mark(e.Property(c => c.Qty));
                Mark(e.Property(c => c.Tiny));
                Mark(e.Property(c => c.Signed));
                Mark(e.Property(c => c.Letter));
                Mark(e.Property(c => c.Count));
                Mark(e.Property(c => c.Large));
                Mark(e.Property(c => c.Grade));
                Mark(e.Property(c => c.Office));
                Mark(e.Property(c => c.Region), $"{kind}.Text");
                Mark(e.Property(c => c.Code), $"{kind}.Text");
                Mark(e.Property(c => c.At));

                void Mark<T>(Microsoft.EntityFrameworkCore.Metadata.Builders.PropertyBuilder<T> property, string? context = null)
                    => ParcelsContext.Mark(property, encrypted, context);
            });
    }

    private static void Mark<T>(Microsoft.EntityFrameworkCore.Metadata.Builders.PropertyBuilder<T> property, EncryptionMode mode, string? context = null)
    {
        // Equal points in time may have different bytes.
        property.IsEncrypted(typeof(T) == typeof(DateTimeOffset) ? EncryptionMode.Randomized : mode, context: context!);
        if (mode == EncryptionMode.Randomized || typeof(T) == typeof(DateTimeOffset))
            property.HasBlindIndex();
    }
}

/// <summary>The plain tables as an application without EfEnvelope has them.</summary>
public sealed class PlainParcelsContext(DbContextOptions<PlainParcelsContext> options) : DbContext(options)
{
    public IQueryable<Parcel> Parcels => Set<Parcel>($"{ParcelKinds.Plain}Parcel");

    public IQueryable<Part> Parts => Set<Part>($"{ParcelKinds.Plain}Part");

    protected override void OnModelCreating(ModelBuilder modelBuilder) => ParcelsContext.Build(modelBuilder, ParcelKinds.Plain, null);
}

public class Parcel
{
    public int Id { get; set; }

    public string Name { get; set; } = "";

    public bool Flag { get; set; }

    public bool? Maybe { get; set; }

    public string? Region { get; set; }

    public string Code { get; set; } = "";

    public int? Number { get; set; }

    public int Level { get; set; }

    public short Qty { get; set; }

    public byte Tiny { get; set; }

    public sbyte Signed { get; set; }

    public char Letter { get; set; } = 'z';

    public uint Count { get; set; }

    public long Large { get; set; }

    public Grade Grade { get; set; }

    public Office? Office { get; set; }

    public DateTimeOffset At { get; set; } = DateTimeOffset.UnixEpoch;

    public int? NextId { get; set; }

    public Parcel? Next { get; set; }

    public List<Part> Parts { get; } = [];
}

public class Part
{
    public int Id { get; set; }

    public int ParcelId { get; set; }

    public bool New { get; set; }

    public bool? Old { get; set; }

    public string? Text { get; set; }
}

/// <summary>A value object that is a text by its implicit operator.</summary>
public sealed record Office(string Text)
{
    public static implicit operator string?(Office? office) => office?.Text;
}
