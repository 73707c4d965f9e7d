using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

public static class RegistrySql
{
    /// <summary>Writes SQL with quoted identifiers as the context's server quotes them.</summary>
    public static string Sql(this RegistryContext db, string sql)
        => db.Database.ProviderName == "Microsoft.EntityFrameworkCore.SqlServer"
            ? System.Text.RegularExpressions.Regex.Replace(sql, "\"([^\"]*)\"", "[$1]")
            : sql;
}
