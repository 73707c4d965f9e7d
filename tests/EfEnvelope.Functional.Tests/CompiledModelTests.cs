using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteCompiledModelTests() : CompiledModelSpecification(new SqliteTestDatabase(), new SqliteTestDatabase());

public sealed class PostgresCompiledModelTests() : CompiledModelSpecification(new PostgresTestDatabase(), new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerCompiledModelTests() : CompiledModelSpecification(new SqlServerTestDatabase(), null);
