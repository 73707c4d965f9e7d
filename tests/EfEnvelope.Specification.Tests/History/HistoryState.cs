namespace EfEnvelope.Specification.History;

/// <summary>Everything that a row holds after one operation. Values are equal if all of them are.</summary>
public sealed record HistoryState(
    int Revision, string Op, int Visits, string Secret, decimal Amount, string? Email, string Code, string Tag, string? Note, string? Label)
{
    public static HistoryState Of(HistoryRow row)
        => new(row.Revision, row.Op, row.Visits, row.Secret, row.Amount, row.Email, row.Code, row.Tag, row.Note, row.Label);

    /// <summary>Makes a row with these values.</summary>
    public HistoryRow ToRow(long id)
    {
        var row = new HistoryRow { Id = id };
        CopyTo(row);
        return row;
    }

    /// <summary>Gives a tracked row these values.</summary>
    public void CopyTo(HistoryRow row)
    {
        (row.Revision, row.Op, row.Visits, row.Secret, row.Amount) = (Revision, Op, Visits, Secret, Amount);
        (row.Email, row.Code, row.Tag, row.Note, row.Label) = (Email, Code, Tag, Note, Label);
    }

    /// <summary>Gets the value of a column that queries compare.</summary>
    public string? Get(string column)
        => column switch
        {
            nameof(Email) => Email,
            nameof(Code) => Code,
            nameof(Tag) => Tag,
            nameof(Note) => Note,
            nameof(Label) => Label,
            _ => throw new ArgumentOutOfRangeException(nameof(column)),
        };

    /// <summary>Names the columns in which two states differ.</summary>
    public IReadOnlyList<string> Differences(HistoryState other)
    {
        (string Name, object? Mine, object? Others)[] columns =
        [
            (nameof(Revision), Revision, other.Revision), (nameof(Op), Op, other.Op), (nameof(Visits), Visits, other.Visits),
            (nameof(Secret), Secret, other.Secret), (nameof(Amount), Amount, other.Amount), (nameof(Email), Email, other.Email),
            (nameof(Code), Code, other.Code), (nameof(Tag), Tag, other.Tag), (nameof(Note), Note, other.Note), (nameof(Label), Label, other.Label),
        ];
        return [.. columns.Where(c => !Equals(c.Mine, c.Others)).Select(c => c.Name)];
    }
}

/// <summary>A row as something saw it.</summary>
public sealed record SeenRow(long Row, HistoryState State);
