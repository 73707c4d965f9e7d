using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteBlindIndexSavingTests() : BlindIndexSavingSpecification(new SqliteTestDatabase());

public sealed class PostgresBlindIndexSavingTests() : BlindIndexSavingSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerBlindIndexSavingTests() : BlindIndexSavingSpecification(new SqlServerTestDatabase());
