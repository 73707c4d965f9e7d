using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteObservabilityTests() : ObservabilitySpecification(new SqliteTestDatabase());

public sealed class PostgresObservabilityTests() : ObservabilitySpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerObservabilityTests() : ObservabilitySpecification(new SqlServerTestDatabase());
