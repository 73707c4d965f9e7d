using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteReplacedServicesTests() : ReplacedServicesSpecification(new SqliteTestDatabase());

public sealed class PostgresReplacedServicesTests() : ReplacedServicesSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerReplacedServicesTests() : ReplacedServicesSpecification(new SqlServerTestDatabase());
