using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteForeignModelTests() : ForeignModelSpecification(new SqliteTestDatabase());

public sealed class PostgresForeignModelTests() : ForeignModelSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerForeignModelTests() : ForeignModelSpecification(new SqlServerTestDatabase());
