using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional.Sqlite;

public sealed class SqliteRefusedModelsTests() : RefusedModelsSpecification(new SqliteTestDatabase());
