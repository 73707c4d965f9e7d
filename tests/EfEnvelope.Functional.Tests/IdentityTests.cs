using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteIdentityTests() : IdentitySpecification(new SqliteTestDatabase());

public sealed class PostgresIdentityTests() : IdentitySpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerIdentityTests() : IdentitySpecification(new SqlServerTestDatabase());
