using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteRotationTests() : RotationSpecification(new SqliteTestDatabase())
{
    // One writer at a time: more would only wait for each other.
    protected override (int Writers, int Rows) ConcurrentLoad => (4, 50);
}

public sealed class PostgresRotationTests() : RotationSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerRotationTests() : RotationSpecification(new SqlServerTestDatabase());
