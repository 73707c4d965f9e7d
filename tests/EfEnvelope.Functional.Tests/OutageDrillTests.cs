using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

// Alone: it counts the threads of the process.
[CollectionDefinition("Drill", DisableParallelization = true)]
public sealed class DrillCollection;

[Collection("Drill")]
public sealed class SqliteOutageDrillTests() : OutageDrillSpecification(new SqliteTestDatabase())
{
    protected override int Writers => 1;
}

[Collection("Drill")]
public sealed class PostgresOutageDrillTests() : OutageDrillSpecification(new PostgresTestDatabase { MaxPoolSize = 100 });

[Collection("Drill")]
public sealed class SqlServerOutageDrillTests() : OutageDrillSpecification(new SqlServerTestDatabase());
