using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteBlindIndexMappingTests() : BlindIndexMappingSpecification(new SqliteTestDatabase());

public sealed class PostgresBlindIndexMappingTests() : BlindIndexMappingSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerBlindIndexMappingTests() : BlindIndexMappingSpecification(new SqlServerTestDatabase());
