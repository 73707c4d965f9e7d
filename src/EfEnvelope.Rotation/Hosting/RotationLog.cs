using Microsoft.Extensions.Logging;

namespace EfEnvelope.Rotation.Hosting;

// Event ids never change. Names of jobs, tables and keys only: never keys, never values.
internal static partial class RotationLog
{
    [LoggerMessage(1100, LogLevel.Information, "Job {Job} ({Kind} of '{Table}') is worked on by this process.", EventName = "JobTake")]
    public static partial void JobTaken(this ILogger logger, long job, string kind, string table);

    [LoggerMessage(EventId = 1101, EventName = "JobEnd", Message = "Job {Job} has ended: {State}; {Written} rows written, {Refused} left as they were. {Reason}")]
    public static partial void JobEnded(this ILogger logger, LogLevel level, long job, string state, long written, long refused, string reason);

    [LoggerMessage(1103, LogLevel.Warning, "Job {Job} ({Kind} of '{Table}') stores plaintext, or values in another way, so it is not run here: run it by the tool, or set 'RunsSensitiveJobs'.", EventName = "JobLeave")]
    public static partial void JobLeft(this ILogger logger, long job, string kind, string table);

    [LoggerMessage(1104, LogLevel.Error, "Row '{Key}' of '{Table}' cannot be read, so it is left out: {Reason}. Remove it with 'efenvelope jobs cancel {Key}'.", EventName = "JobMalformed")]
    public static partial void JobMalformed(this ILogger logger, string key, string table, string reason);

    [LoggerMessage(1102, LogLevel.Error, "Jobs cannot be run now; they are tried again.", EventName = "JobsFail")]
    public static partial void JobsUnavailable(this ILogger logger, Exception exception);
}
