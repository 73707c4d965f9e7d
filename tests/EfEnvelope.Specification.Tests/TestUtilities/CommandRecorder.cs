using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>Keeps the text of every command, and can fail the first ones as a broken connection would.</summary>
public sealed class CommandRecorder : DbCommandInterceptor
{
    public List<string> Commands { get; } = [];

    /// <summary>Gets the parameter values of the commands, as they were sent.</summary>
    public List<object?[]> Sent { get; } = [];

    /// <summary>Gets or sets how many of the next commands fail after they were prepared.</summary>
    public int Failures { get; set; }

    public int Count(string verb) => Commands.Count(c => c.Contains(verb, StringComparison.Ordinal));

    public void Clear()
    {
        Commands.Clear();
        Sent.Clear();
    }

    public override InterceptionResult<DbDataReader> ReaderExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result)
    {
        Record(command);
        return result;
    }

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        Record(command);
        return new(result);
    }

    public override InterceptionResult<int> NonQueryExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<int> result)
    {
        Record(command);
        return result;
    }

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Record(command);
        return new(result);
    }

    private void Record(DbCommand command)
    {
        Commands.Add(command.CommandText);
        Sent.Add([.. command.Parameters.Cast<DbParameter>().Select(p => p.Value)]);
        if (Failures > 0)
        {
            Failures--;
            throw new TransientFailureException();
        }
    }
}

/// <summary>Stands for what a provider's own execution strategy would retry.</summary>
public sealed class TransientFailureException() : Exception("The connection broke.");
