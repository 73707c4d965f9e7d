using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional.Postgres;

public sealed class PostgresChangeTrackingTests() : ChangeTrackingSpecification(new PostgresTestDatabase());
