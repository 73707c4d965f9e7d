using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;

namespace EfEnvelope.Functional.SqlServer;

public sealed class SqlServerRefusedModelsOfflineTests() : RefusedModelsSpecification(new OfflineSqlServerTestDatabase());
