using System.Data.Common;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Functional.TestUtilities;

/// <summary>SQL Server's provider without a server: for models and queries that are refused before a command is sent.</summary>
public sealed class OfflineSqlServerTestDatabase : TestDatabase
{
    public override bool Exists => false;

    public override ValueTask CreateAsync() => ValueTask.CompletedTask;

    // How many configurations all tests together have is told by none of them.
    public override DbContextOptionsBuilder UseProvider(DbContextOptionsBuilder options)
        => options.UseSqlServer(CreateConnection()).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    public override DbConnection CreateConnection() => new SqlConnection("Server=127.0.0.1,1;Connect Timeout=1;Encrypt=False");

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
