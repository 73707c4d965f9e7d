using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional.Postgres;

public sealed class PostgresRefusedQueriesTests() : RefusedQueriesSpecification(new PostgresTestDatabase())
{
    protected override IReadOnlyDictionary<string, string> UntranslatableHere { get; } = new Dictionary<string, string>
    {
        ["SequenceEqual on bytes"] = "could not be translated",
        ["Length of bytes"] = "could not be translated",
        ["Contains of a byte"] = "could not be translated",
        ["first byte"] = "could not be translated",
        ["byte at an index"] = "could not be translated",
        ["enum ToString"] = "could not be translated",
        ["part of a date"] = "could not be translated",
    };

    protected override IReadOnlyDictionary<string, object[]> ComputedInMemoryHere { get; } = new Dictionary<string, object[]>
    {
        ["part of a date in a projection"] = [12, 1, 1],
    };
}
