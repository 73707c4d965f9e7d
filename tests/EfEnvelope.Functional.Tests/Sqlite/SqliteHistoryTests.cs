using EfEnvelope.Functional.History;
using Xunit;

namespace EfEnvelope.Functional;

[Collection(HistoryCollection.Name)]
public sealed class SqliteHistoryTests(SqliteHistoryFixture fixture)
    : HistorySpecification(fixture, HistorySize.SmallFile), IClassFixture<SqliteHistoryFixture>
{
    [Fact]
    public Task Reencryption_under_faults_loses_no_write_and_misses_no_row() => ReencryptAsync();

    [Fact]
    public Task Backfill_under_faults_loses_no_write_and_misses_no_row() => BackfillAsync();

    [Fact]
    public Task Decryption_under_faults_loses_no_write_and_misses_no_row() => DecryptAsync();
}
