using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Rotation.Sql;

internal abstract class Dialect(ISqlGenerationHelper sql)
{
    public static Dialect Of(DbContext context) => throw new NotImplementedException(context.ToString() + sqlName);
    private const string sqlName = "";
    public ISqlGenerationHelper Sql => sql;
    public virtual ValueTask PrepareAsync(Session session, CancellationToken cancellationToken) => ValueTask.CompletedTask;
    public virtual void AddParameter(DbCommand command, string name, object? value)
    {
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = (name, value ?? DBNull.Value);
        command.Parameters.Add(parameter);
    }
}
