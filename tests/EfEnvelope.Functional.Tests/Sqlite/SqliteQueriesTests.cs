using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional.Sqlite;

public sealed class SqliteQueriesTests() : QueriesSpecification(new SqliteTestDatabase());
