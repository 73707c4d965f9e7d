using EfEnvelope.Rotation.Engine;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Counts what a verification finds, and keeps the first of it.</summary>
internal sealed class VerifyTally(IProgress<long>? progress)
{
    private const int MaxFindings = 1000;

    private readonly List<ScanFinding> _findings = [];
    private long _rows;
    private long _failures;

    public long Opened { get; set; }

    public long IndexesChecked { get; set; }

    public void AddRows(int count)
    {
        _rows += count;
        progress?.Report(_rows);
    }

    public void Fail(string table, object?[] key, string column, string reason)
    {
        _failures++;
        if (_findings.Count < MaxFindings)
            _findings.Add(new ScanFinding(table, RowKey.Display(key), column, reason));
    }

    public VerifyReport ToReport()
        => new() { Rows = _rows, Opened = Opened, IndexesChecked = IndexesChecked, Failures = _failures, Findings = _findings };
}
