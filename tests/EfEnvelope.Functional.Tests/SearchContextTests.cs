using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteSearchContextTests() : SearchContextSpecification(new SqliteTestDatabase());

public sealed class PostgresSearchContextTests() : SearchContextSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerSearchContextTests() : SearchContextSpecification(new SqlServerTestDatabase());
