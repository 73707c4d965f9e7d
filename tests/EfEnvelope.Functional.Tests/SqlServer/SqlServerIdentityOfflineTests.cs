using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>The tables of ASP.NET Core Identity that SQL Server is asked for; that needs no server.</summary>
public sealed class SqlServerIdentityOfflineTests() : EnvelopeSpecification(new OfflineSqlServerTestDatabase())
{
    [Fact]
    public void Unique_index_of_names_moves_to_their_hashes_and_leaves_out_users_without_one()
    {
        using var db = new BlindlyIndexedAccountsContext(Options<BlindlyIndexedAccountsContext>());
        var script = db.Database.GenerateCreateScript();
        Assert.Contains(
            "CREATE UNIQUE INDEX [UserNameIndex] ON [AspNetUsers] ([NormalizedUserName_BlindIndex]) WHERE [NormalizedUserName_BlindIndex] IS NOT NULL;",
            script, StringComparison.Ordinal);
        Assert.Contains(
            "CREATE UNIQUE INDEX [UserNameIndex_Next] ON [AspNetUsers] ([NormalizedUserName_BlindIndex_Next]) WHERE [NormalizedUserName_BlindIndex_Next] IS NOT NULL;",
            script, StringComparison.Ordinal);
        Assert.Contains("CREATE INDEX [EmailIndex] ON [AspNetUsers] ([NormalizedEmail_BlindIndex]);", script, StringComparison.Ordinal);
    }

    [Fact]
    public void Unique_index_of_deterministic_names_leaves_out_users_without_one()
    {
        using var db = new DeterministicAccountsContext(Options<DeterministicAccountsContext>());
        var script = db.Database.GenerateCreateScript();
        Assert.Contains(
            "CREATE UNIQUE INDEX [UserNameIndex] ON [AspNetUsers] ([NormalizedUserName]) WHERE [NormalizedUserName] IS NOT NULL;",
            script, StringComparison.Ordinal);
        Assert.Contains("[NormalizedUserName] varbinary(", script, StringComparison.Ordinal);
    }
}
