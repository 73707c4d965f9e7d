using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional;

public sealed class SqliteReferencesTests() : ReferencesSpecification(new SqliteTestDatabase());

public sealed class PostgresReferencesTests() : ReferencesSpecification(new PostgresTestDatabase());
