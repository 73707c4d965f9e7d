using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

[Collection("SqlServer")]
public sealed class SqlServerRefusedQueriesTests() : SqlServerRefusedQueries(new SqlServerTestDatabase());

/// <summary>What SQL Server's provider does differently, with a server and without one.</summary>
public abstract class SqlServerRefusedQueries(TestDatabase database) : RefusedQueriesSpecification(database)
{
    protected override IReadOnlyDictionary<string, string> UntranslatableHere { get; } = new Dictionary<string, string>
    {
        ["SequenceEqual on bytes"] = "could not be translated",
        ["enum ToString"] = "could not be translated",
    };

    protected override IReadOnlyDictionary<string, object[]> ComputedInMemoryHere { get; } = new Dictionary<string, object[]>
    {
        ["greatest of two columns"] = [36, 41, 3],
    };
}
