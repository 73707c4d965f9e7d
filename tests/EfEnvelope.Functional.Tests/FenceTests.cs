using System.Data;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteFenceTests() : FenceSpecification(new SqliteTestDatabase());

public sealed class PostgresFenceTests() : FenceSpecification(new PostgresTestDatabase())
{
    [Fact]
    public async Task Transaction_whose_snapshot_is_older_than_the_new_version_writes_nothing_and_the_next_one_does()
    {
        await using var context = CreateWarm();
        await using (var transaction = await context.Database.BeginTransactionAsync(IsolationLevel.RepeatableRead))
        {
            Assert.Equal(1, await context.Notes.CountAsync());
            await using (var other = CreateWarm())
                await other.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
            context.Add(new Note { Text = "after", Code = "after" });

            var e = await Assert.ThrowsAsync<DbUpdateException>(() => context.SaveChangesAsync());

            Assert.Contains("Retry in a new transaction", Assert.IsType<KeyUnavailableException>(e.InnerException).Message, StringComparison.Ordinal);
        }

        await context.SaveChangesAsync();
        Assert.Equal([1, 2], await VersionsAsync("Text"));
    }
}

[Collection("SqlServer")]
public sealed class SqlServerFenceTests() : FenceSpecification(new SqlServerTestDatabase());
