using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteSearchRotationTests() : SearchRotationSpecification(new SqliteTestDatabase())
{
    // One writer at a time: more would only wait for each other.
    protected override int Writers => 3;
}

public sealed class PostgresSearchRotationTests() : SearchRotationSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerSearchRotationTests() : SearchRotationSpecification(new SqlServerTestDatabase());
