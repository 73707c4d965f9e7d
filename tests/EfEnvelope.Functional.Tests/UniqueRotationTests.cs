using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteUniqueRotationTests() : UniqueRotationSpecification(new SqliteTestDatabase());

public sealed class PostgresUniqueRotationTests() : UniqueRotationSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerUniqueRotationTests() : UniqueRotationSpecification(new SqlServerTestDatabase());
