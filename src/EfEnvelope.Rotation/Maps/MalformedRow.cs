namespace EfEnvelope.Rotation;

/// <summary>A row of EfEnvelope's own tables that cannot be read; what does not need it goes on without it.</summary>
/// <param name="Table">The table, such as <c>__EnvelopeJobs</c>.</param>
/// <param name="Key">The row's primary key, as text.</param>
/// <param name="Reason">Which column holds something else than EfEnvelope writes; never what it holds.</param>
public sealed record MalformedRow(string Table, string Key, string Reason);
