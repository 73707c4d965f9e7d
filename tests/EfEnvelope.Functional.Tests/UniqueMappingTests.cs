using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteUniqueMappingTests() : UniqueMappingSpecification(new SqliteTestDatabase());

public sealed class PostgresUniqueMappingTests() : UniqueMappingSpecification(new PostgresTestDatabase())
{
    [Fact]
    public async Task Second_column_that_nobody_fills_is_no_duplicate_where_nulls_are_equal()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Thing>().Property(t => t.Code).IsEncrypted(EncryptionMode.Deterministic);
                b.Entity<Thing>().HasIndex(t => t.Code).IsUnique().AreNullsDistinct(false);
            });
        await SaveAsync(new Thing { Id = 1, Code = "a" }, new Thing { Id = 2, Code = "b" }, new Thing { Id = 3 });

        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(new Thing { Id = 4 }));
        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(new Thing { Id = 4, Code = "a" }));
    }
}

[Collection("SqlServer")]
public sealed class SqlServerUniqueMappingTests() : UniqueMappingSpecification(new SqlServerTestDatabase());
