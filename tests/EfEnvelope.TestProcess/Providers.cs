using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.TestProcess;

internal static class Providers
{
    public const string Sqlite = "Microsoft.EntityFrameworkCore.Sqlite";
    public const string Postgres = "Npgsql.EntityFrameworkCore.PostgreSQL";
    public const string SqlServer = "Microsoft.EntityFrameworkCore.SqlServer";

    public static void Use(DbContextOptionsBuilder builder, string provider, string connectionString)
        => _ = provider switch
        {
            Sqlite => builder.UseSqlite(connectionString),
            Postgres => builder.UseNpgsql(connectionString),
            SqlServer => builder.UseSqlServer(connectionString),
            _ => throw new ArgumentException(provider),
        };
}
