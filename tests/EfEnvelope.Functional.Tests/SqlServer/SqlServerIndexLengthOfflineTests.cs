using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>Indexes whose keys may be longer than SQL Server takes; that needs no server.</summary>
public sealed class SqlServerIndexLengthOfflineTests() : AdHocSpecification(new OfflineSqlServerTestDatabase())
{
    [Theory]
    [InlineData(293, true)]
    [InlineData(294, false)]
    public void Key_of_a_clustered_index_has_900_bytes(int maxLength, bool fits)
        => AssertFits(
            fits, "'Item.Code' is indexed, but its envelopes may be longer than the 900 bytes that SQL Server allows in a clustered "
                + "index. Call 'HasMaxLength(293)'",
            b => Map(b, maxLength, 20).HasIndex(i => i.Code).IsClustered());

    [Theory]
    [InlineData(276, 276, true)]
    [InlineData(277, 276, false)]
    public void Columns_of_an_index_share_1700_bytes(int code, int text, bool fits)
        => AssertFits(fits, "The index over 'Item.Code, Text' may have keys of 1701 bytes, but SQL Server allows 1700 in an index", b => Map(b, code, text).HasIndex(i => new { i.Code, i.Text }));

    [Theory]
    [InlineData(140, 146, true)]
    [InlineData(140, 147, false)]
    public void Columns_of_a_clustered_index_share_900_bytes(int code, int text, bool fits)
        => AssertFits(
            fits, "The index over 'Item.Code, Text' may have keys of 903 bytes, but SQL Server allows 900 in a clustered index",
            b => Map(b, code, text).HasIndex(i => new { i.Code, i.Text }).IsUnique().IsClustered());

    [Theory]
    [InlineData(400, 293, true)]
    [InlineData(400, 294, false)]
    public void Plain_columns_count_too(int plain, int code, bool fits)
        => AssertFits(
            fits, "The index over 'Item.Plain, Code' may have keys of 1703 bytes",
            b =>
            {
                var item = Map(b, code, 20);
                item.Property(i => i.Plain).HasMaxLength(plain);
                item.HasIndex(i => new { i.Plain, i.Code });
            });

    [Fact]
    public void Hash_takes_a_few_bytes_whatever_the_length_of_its_value()
        => AssertFits(
            true, "",
            b => b.Entity<Item>(
                item =>
                {
                    item.HasKey(i => i.Id).IsClustered(false);
                    item.Property(i => i.Code).IsEncrypted().HasBlindIndex();
                    item.HasIndex(i => new { i.Number, i.Code }).IsClustered();
                    item.Ignore(i => i.Text);
                }));

    private static Microsoft.EntityFrameworkCore.Metadata.Builders.EntityTypeBuilder<Item> Map(ModelBuilder b, int code, int text)
    {
        var item = b.Entity<Item>();
        item.HasKey(i => i.Id).IsClustered(false);
        item.Property(i => i.Code).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(code);
        item.Property(i => i.Text).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(text);
        return item;
    }

    private void AssertFits(bool fits, string message, Action<ModelBuilder> build)
    {
        Use(build);
        using var db = Open();
        if (fits)
            Assert.NotNull(db.Model);
        else
            Assert.Contains(message, Assert.Throws<EnvelopeConfigurationException>(() => db.Model).Message, StringComparison.Ordinal);
    }

    public sealed class Item
    {
        public int Id { get; set; }

        public Guid Number { get; set; }

        public string? Plain { get; set; }

        public string Code { get; set; } = "";

        public string? Text { get; set; }
    }
}
