using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqlitePlaintextAllowedTests() : PlaintextAllowedSpecification(new SqliteTestDatabase())
{
    protected override bool HasLengths => false;
}

public sealed class PostgresPlaintextAllowedTests() : PlaintextAllowedSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerPlaintextAllowedTests() : PlaintextAllowedSpecification(new SqlServerTestDatabase());
