using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteReferencesTests() : ReferencesSpecification(new SqliteTestDatabase());

public sealed class PostgresReferencesTests() : ReferencesSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerReferencesTests() : ReferencesSpecification(new SqlServerTestDatabase());
