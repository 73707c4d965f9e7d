using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteMapCheckTests() : MapCheckSpecification(new SqliteTestDatabase());

public sealed class PostgresMapCheckTests() : MapCheckSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerMapCheckTests() : MapCheckSpecification(new SqlServerTestDatabase());
