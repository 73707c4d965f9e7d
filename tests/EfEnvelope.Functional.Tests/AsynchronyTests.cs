using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteAsynchronyTests() : AsynchronySpecification(new SqliteTestDatabase());

public sealed class PostgresAsynchronyTests() : AsynchronySpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerAsynchronyTests() : AsynchronySpecification(new SqlServerTestDatabase());
