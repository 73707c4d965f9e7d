using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteProcessTests() : ProcessSpecification(new SqliteTestDatabase());

public sealed class PostgresProcessTests() : ProcessSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerProcessTests() : ProcessSpecification(new SqlServerTestDatabase());
