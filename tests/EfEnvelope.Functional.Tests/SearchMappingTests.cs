using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteSearchMappingTests() : SearchMappingSpecification(new SqliteTestDatabase());

public sealed class PostgresSearchMappingTests() : SearchMappingSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerSearchMappingTests() : SearchMappingSpecification(new SqlServerTestDatabase());
