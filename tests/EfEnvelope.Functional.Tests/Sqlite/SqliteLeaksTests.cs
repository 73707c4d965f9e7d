using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional.Sqlite;

public sealed class SqliteLeaksTests() : LeaksSpecification(new SqliteTestDatabase());
