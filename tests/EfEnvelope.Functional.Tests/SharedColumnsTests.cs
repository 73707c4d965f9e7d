using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteSharedColumnsTests() : SharedColumnsSpecification(new SqliteTestDatabase());

public sealed class PostgresSharedColumnsTests() : SharedColumnsSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerSharedColumnsTests() : SharedColumnsSpecification(new SqlServerTestDatabase());
