using EfEnvelope.Kms.Tests.Conformance;

namespace EfEnvelope.Kms.Tests.Local;

public sealed class SqliteLocalConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await LocalHarness.StartOnSqliteAsync();
}

public sealed class PostgresLocalConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await LocalHarness.StartOnPostgresAsync();
}

public sealed class SqlServerLocalConformanceTests : KmsConformance
{
    protected override async ValueTask<KmsHarness> StartAsync() => await LocalHarness.StartOnSqlServerAsync();
}
