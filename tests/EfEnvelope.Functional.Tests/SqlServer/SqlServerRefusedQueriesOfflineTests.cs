using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification.TestUtilities;

namespace EfEnvelope.Functional.SqlServer;

public sealed class SqlServerRefusedQueriesOfflineTests() : SqlServerRefusedQueries(new OfflineSqlServerTestDatabase());
