using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteIdentifiersTests() : IdentifiersSpecification(new SqliteTestDatabase())
{
    protected override bool HasSchemas => false;
}

public sealed class PostgresIdentifiersTests() : IdentifiersSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerIdentifiersTests() : IdentifiersSpecification(new SqlServerTestDatabase());
