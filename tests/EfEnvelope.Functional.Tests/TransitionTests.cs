using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteTransitionTests() : TransitionSpecification(new SqliteTestDatabase());

public sealed class PostgresTransitionTests() : TransitionSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerTransitionTests() : TransitionSpecification(new SqlServerTestDatabase());
