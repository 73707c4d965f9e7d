using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteJobsTests() : JobsSpecification(new SqliteTestDatabase());

public sealed class PostgresJobsTests() : JobsSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobsTests() : JobsSpecification(new SqlServerTestDatabase());
