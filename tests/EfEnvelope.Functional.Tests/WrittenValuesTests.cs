using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteWrittenValuesTests() : WrittenValuesSpecification(new SqliteTestDatabase());

public sealed class PostgresWrittenValuesTests() : WrittenValuesSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerWrittenValuesTests() : WrittenValuesSpecification(new SqlServerTestDatabase());
