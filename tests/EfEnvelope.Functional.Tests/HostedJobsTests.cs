using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteHostedJobsTests() : HostedJobsSpecification(new SqliteTestDatabase());

public sealed class PostgresHostedJobsTests() : HostedJobsSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerHostedJobsTests() : HostedJobsSpecification(new SqlServerTestDatabase());
