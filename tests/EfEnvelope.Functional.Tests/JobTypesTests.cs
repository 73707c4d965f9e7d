using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional;

public sealed class SqliteJobTypesTests() : JobTypesSpecification(new SqliteTestDatabase());

public sealed class PostgresJobTypesTests() : JobTypesSpecification(new PostgresTestDatabase());
