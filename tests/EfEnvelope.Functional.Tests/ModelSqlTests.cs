using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.EntityFrameworkCore;
using NpgsqlTypes;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteModelSqlTests() : ModelSqlSpecification(new SqliteTestDatabase())
{
    [Theory]
    [InlineData("`Note` <> ''")]
    [InlineData("[Note] <> ''")]
    public void Other_quotes_of_SQLite_are_read(string sql)
        => Assert.Throws<EnvelopeConfigurationException>(() => Model("a convention", sql, asItIs: true));
}

public sealed class PostgresModelSqlTests() : ModelSqlSpecification(new PostgresTestDatabase())
{
    [Theory]
    [InlineData("E'it\\'s' <> \"Note\"")]
    [InlineData("$$it's$$ <> \"Note\"")]
    [InlineData("$a$ $$ it's $a$ <> \"Note\"")]
    [InlineData("LIKE'\\' AND \"Note\" <> ''")]
    public void Literals_of_PostgreSQL_are_read(string sql)
        => Assert.Throws<EnvelopeConfigurationException>(() => Model("a convention", sql, asItIs: true));

    [Theory]
    [InlineData("$$ \"Note\" $$ <> ''")]
    [InlineData("\"Plain\"::note > 1")]
    public void Literals_and_types_of_PostgreSQL_are_not_columns(string sql) => Model("a convention", sql, asItIs: true);

    [Fact]
    public void Text_search_over_an_encrypted_column_is_refused()
    {
        foreach (var isIndex in new[] { true, false })
        {
            var e = Assert.Throws<EnvelopeConfigurationException>(
                () =>
                {
                    Use(
                        b => b.Entity<Page>(
                            p =>
                            {
                                p.Property(x => x.Text).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text);
                                if (isIndex)
                                    p.HasIndex(x => x.Text).IsTsVectorExpressionIndex("english").HasMethod("GIN");
                                else
                                    p.HasGeneratedTsVectorColumn(x => x.Search, "english", x => x.Text!);
                            }));
                    using var db = Open();
                    _ = db.Model;
                });
            Assert.Contains(
                isIndex ? "'Page.Text' is encrypted but belongs to an index" : "'Page.Text', which holds envelopes", e.Message, StringComparison.Ordinal);
        }
    }

    private sealed class Page
    {
        public int Id { get; set; }

        public string? Text { get; set; }

        public NpgsqlTsVector Search { get; set; } = null!;
    }
}

public sealed class SqlServerModelSqlTests() : ModelSqlSpecification(new OfflineSqlServerTestDatabase());
