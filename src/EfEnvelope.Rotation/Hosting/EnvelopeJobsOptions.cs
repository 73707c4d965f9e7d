namespace EfEnvelope.Rotation;

/// <summary>How an application runs jobs in the background.</summary>
public sealed class EnvelopeJobsOptions
{
    /// <summary>Gets or sets how many workers run side by side in this process.</summary>
    /// <value>The default is 1.</value>
    public int Workers { get; set; } = 1;

    /// <summary>Gets or sets how often the database is asked for jobs.</summary>
    /// <value>The default is 15 seconds.</value>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// Gets or sets whether jobs are run, too, that store plaintext, or give values another column, name or mode. Whoever may write the job tables can ask for them,
    /// without any key; by default the tool runs them, when it is given their number.
    /// </summary>
    /// <value>The default is <see langword="false" />.</value>
    public bool RunsSensitiveJobs { get; set; }

    internal void Validate()
    {
        if (Workers < 1)
            throw new EnvelopeConfigurationException(RotationMessages.OutOfRange(nameof(Workers), "1 or more"));
        if (PollInterval <= TimeSpan.Zero)
            throw new EnvelopeConfigurationException(RotationMessages.OutOfRange(nameof(PollInterval), "more than zero"));
    }
}
