namespace EfEnvelope.Rotation;

/// <summary>What one column holds, told by the headers alone, without any key.</summary>
public sealed record ColumnStatus
{
    /// <summary>Gets the column.</summary>
    public required MapColumn Column { get; init; }

    /// <summary>Gets how many rows have null.</summary>
    public long Nulls { get; init; }

    /// <summary>Gets how many rows hold something that is no envelope: plaintext, or what something else wrote.</summary>
    public long Foreign { get; init; }

    /// <summary>Gets how many rows there are under each key number.</summary>
    public required IReadOnlyDictionary<uint, long> ByKeyNumber { get; init; }
}

/// <summary>What a verification found.</summary>
public sealed record VerifyReport
{
    /// <summary>Gets how many rows were read.</summary>
    public long Rows { get; init; }

    /// <summary>Gets how many values opened.</summary>
    public long Opened { get; init; }

    /// <summary>Gets how many blind indexes were computed anew and found equal.</summary>
    public long IndexesChecked { get; init; }

    /// <summary>Gets how many values failed; <see cref="Findings" /> lists the first of them.</summary>
    public long Failures { get; init; }

    /// <summary>Gets the first failures, 1,000 at most.</summary>
    public IReadOnlyList<ScanFinding> Findings { get; init; } = [];

    /// <summary>Gets whether every value opened, every blind index agrees, and nothing is under a retired version.</summary>
    public bool IsClean => Failures == 0;
}

/// <summary>One value that failed a verification.</summary>
/// <param name="Table">The table.</param>
/// <param name="Key">The row's primary key, as text.</param>
/// <param name="Column">The column.</param>
/// <param name="Reason">What is wrong; never the value.</param>
public sealed record ScanFinding(string Table, string Key, string Column, string Reason);

/// <summary>How grave a diagnosis is.</summary>
public enum DiagnosisSeverity
{
    /// <summary>Worth knowing.</summary>
    Notice,

    /// <summary>It will become a fault.</summary>
    Warning,

    /// <summary>Something is or will be lost, missed or refused.</summary>
    Error,
}

/// <summary>Something that <c>doctor</c> found.</summary>
/// <param name="Severity">How grave it is.</param>
/// <param name="Code">A stable name, such as <c>column-too-narrow</c>.</param>
/// <param name="Subject">The table, column or key version.</param>
/// <param name="Message">What is wrong.</param>
/// <param name="Hint">How to mend it.</param>
public sealed record Diagnosis(DiagnosisSeverity Severity, string Code, string Subject, string Message, string Hint);

/// <summary>What can be read off an envelope without any key.</summary>
public sealed record EnvelopeDescription
{
    /// <summary>Gets whether it has the form of an envelope that this version knows.</summary>
    public required bool IsEnvelope { get; init; }

    /// <summary>Gets what is wrong with it, or <see langword="null" />.</summary>
    public string? Fault { get; init; }

    /// <summary>Gets whether it was given as text (<c>efenvelope:v1:…</c>).</summary>
    public bool IsText { get; init; }

    /// <summary>Gets the algorithm, such as <c>AES-256-GCM</c>.</summary>
    public string? Algorithm { get; init; }

    /// <summary>Gets the number of the key version in its ring.</summary>
    public uint? KeyNumber { get; init; }

    /// <summary>Gets the length of the stored bytes.</summary>
    public int Length { get; init; }

    /// <summary>Gets the length of the plaintext in bytes, or <see langword="null" /> for a blind index.</summary>
    public int? PlaintextLength { get; init; }

    /// <summary>Gets the parts in their order: name, offset, length, and hexadecimal bytes of all but the ciphertext.</summary>
    public IReadOnlyList<EnvelopePart> Parts { get; init; } = [];
}

/// <summary>A part of an envelope.</summary>
/// <param name="Name">Its name, such as <c>nonce</c>.</param>
/// <param name="Offset">Where it begins, in bytes.</param>
/// <param name="Length">How long it is, in bytes.</param>
/// <param name="Hex">Its bytes, or <see langword="null" /> for the ciphertext.</param>
public sealed record EnvelopePart(string Name, int Offset, int Length, string? Hex);
