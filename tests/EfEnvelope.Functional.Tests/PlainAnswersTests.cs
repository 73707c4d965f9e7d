using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqlitePlainAnswersTests() : PlainAnswersSpecification(new SqliteTestDatabase());

public sealed class PostgresPlainAnswersTests() : PlainAnswersSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerPlainAnswersTests() : PlainAnswersSpecification(new SqlServerTestDatabase());
