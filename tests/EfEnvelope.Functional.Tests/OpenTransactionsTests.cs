using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteOpenTransactionsTests() : OpenTransactionsSpecification(new SqliteTestDatabase())
{
    protected override bool HasOneWriter => true;
}

public sealed class PostgresOpenTransactionsTests() : OpenTransactionsSpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerOpenTransactionsTests() : OpenTransactionsSpecification(new SqlServerTestDatabase())
{
    protected override string TextType => "nvarchar(max)";
}

/// <summary>As on Azure SQL Database by default: readers see the last committed version of a row, and wait for no lock.</summary>
[Collection("SqlServer")]
public sealed class SqlServerSnapshotOpenTransactionsTests() : OpenTransactionsSpecification(new SqlServerTestDatabase())
{
    protected override string TextType => "nvarchar(max)";

    private bool _isOn;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await SqlAsync("ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE");
        _isOn = true;
    }

    public override async ValueTask DisposeAsync()
    {
        if (_isOn)
            await SqlAsync("ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT OFF WITH ROLLBACK IMMEDIATE");
        await base.DisposeAsync();
    }
}
