using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteTextStorageTests() : TextStorageSpecification(new SqliteTestDatabase());

public sealed class PostgresTextStorageTests() : TextStorageSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerTextStorageTests() : TextStorageSpecification(new SqlServerTestDatabase());
