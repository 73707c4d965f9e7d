namespace EfEnvelope.Cli;

// Scripts depend on these numbers: they never change their meaning.
internal static class ExitCodes
{
    /// <summary>Done, or the plan was shown.</summary>
    public const int Ok = 0;

    /// <summary>Finished, but with findings: rows that were not converted, values that do not verify, errors of 'doctor', references to a key version.</summary>
    public const int Findings = 1;

    /// <summary>Wrong arguments or configuration: mend the call.</summary>
    public const int Usage = 2;

    /// <summary>Refused now, or not finished yet: wait, or do something else first.</summary>
    public const int Refused = 3;

    /// <summary>The database, the KMS or a key is out of reach: retry.</summary>
    public const int Unavailable = 4;

    /// <summary>A stored value or key was altered or moved: raise the alarm.</summary>
    public const int Alarm = 5;

    /// <summary>The key was destroyed: give up.</summary>
    public const int Gone = 6;

    /// <summary>An error that nobody foresaw.</summary>
    public const int Internal = 70;

    /// <summary>Stopped by Ctrl+C or SIGTERM.</summary>
    public const int Cancelled = 130;
}
