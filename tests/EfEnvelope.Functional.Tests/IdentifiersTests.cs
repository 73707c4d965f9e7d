using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional;

public sealed class SqliteIdentifiersTests() : IdentifiersSpecification(new SqliteTestDatabase())
{
    protected override bool HasSchemas => false;
}

public sealed class PostgresIdentifiersTests() : IdentifiersSpecification(new PostgresTestDatabase());
