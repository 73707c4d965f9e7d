using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Specification;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>How the key table of SQL Server is asked, and what its errors mean; that needs no server.</summary>
public sealed class SqlServerKeyProofOfflineTests() : AdHocSpecification(new OfflineSqlServerTestDatabase())
{
    [Fact]
    public void Scope_is_sent_in_the_type_of_its_column_so_that_its_index_is_used()
    {
        Use(b => b.Entity<Note>().Property(n => n.Text).IsEncrypted());
        using var db = Open();
        using var command = new SqlCommand();

        var parameter = (SqlParameter)KeyProof.ScopeParameter(db, command, "@scope", new KeyScope("tenant-a"));

        Assert.Equal((System.Data.SqlDbType.VarChar, 200, "tenant-a"), (parameter.SqlDbType, parameter.Size, (string)parameter.Value));
        Assert.Contains("WHERE [Scope] = @scope AND [Scope] COLLATE Latin1_General_100_BIN2 = @scope AND [Status] = 'enabled'", KeyProof.Query(db, "@scope"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_column_of_the_tables_is_compared_in_its_own_type()
    {
        Use(b => b.Entity<Note>().Property(n => n.Text).IsEncrypted());
        using var db = Open();
        var types = db.GetService<IRelationalTypeMappingSource>();
        foreach (var column in EnvelopeTables.All.SelectMany(t => t.Columns).Where(c => c.Type == typeof(string) && c.MaxLength is not null))
        {
            using var command = new SqlCommand();
            var parameter = (SqlParameter)EnvelopeTablesSql.FindMapping(types, column).CreateParameter(command, "@p", "x");
            Assert.Equal((column.IsAscii ? System.Data.SqlDbType.VarChar : System.Data.SqlDbType.NVarChar, column.MaxLength!.Value), (parameter.SqlDbType, parameter.Size));
        }
    }

    [Theory]
    [InlineData(1222, true, false)]
    [InlineData(-2, false, true)]
    [InlineData(1205, false, false)]
    [InlineData(18456, false, false)]
    public void Lock_that_is_waited_for_too_long_is_told_from_an_outage(int number, bool isLockWait, bool isOverdue)
        => Assert.Equal((isLockWait, isOverdue), (Outages.IsLockWait(SqlExceptions.Of(number)), Outages.IsOverdue(SqlExceptions.Of(number))));

    public sealed class Note
    {
        public int Id { get; set; }

        public string? Text { get; set; }
    }
}
