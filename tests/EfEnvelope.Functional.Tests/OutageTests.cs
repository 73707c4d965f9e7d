using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteOutageTests() : OutageSpecification(new SqliteTestDatabase());

public sealed class PostgresOutageTests() : OutageSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerOutageTests() : OutageSpecification(new SqlServerTestDatabase());
