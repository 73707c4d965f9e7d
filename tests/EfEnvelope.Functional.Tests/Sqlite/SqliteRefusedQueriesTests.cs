using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional.Sqlite;

public sealed class SqliteRefusedQueriesTests() : RefusedQueriesSpecification(new SqliteTestDatabase())
{
    protected override IReadOnlyDictionary<string, string> UntranslatableHere { get; } = new Dictionary<string, string>
    {
        ["SequenceEqual on bytes"] = "could not be translated",
        ["first byte"] = "could not be translated",
        ["byte at an index"] = "could not be translated",
        ["enum ToString"] = "could not be translated",
        ["Convert"] = "could not be translated",
        ["Distinct in a subquery"] = "APPLY operation, which is not supported on SQLite",
    };
}
