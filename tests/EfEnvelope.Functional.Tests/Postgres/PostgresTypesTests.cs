using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional.Postgres;

public sealed class PostgresTypesTests() : TypesSpecification(new PostgresTestDatabase());
