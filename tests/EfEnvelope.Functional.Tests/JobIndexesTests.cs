using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional;

public sealed class SqliteJobIndexesTests() : JobIndexesSpecification(new SqliteTestDatabase());

public sealed class PostgresJobIndexesTests() : JobIndexesSpecification(new PostgresTestDatabase());
