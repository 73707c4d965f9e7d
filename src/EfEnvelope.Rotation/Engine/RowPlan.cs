using EfEnvelope.Envelopes;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>What a job reads of each row of a table, and what it makes of it.</summary>
internal sealed class RowPlan(
    Dialect dialect, TableInfo table, IReadOnlyList<RowColumn> columns, IReadOnlyList<ValueColumn?> values, IReadOnlyList<RowTask> tasks)
{
    public Dialect Dialect => dialect;

    public TableInfo Table => table;

    public IReadOnlyList<RowColumn> Columns => columns;

    /// <summary>Gets what the columns' values are bound to, by their places in <see cref="Columns" />; <see langword="null" /> for blind indexes and plaintexts.</summary>
    public IReadOnlyList<ValueColumn?> Values => values;

    public IReadOnlyList<RowTask> Tasks => tasks;

    /// <summary>
    /// Gets the columns that are read again after they were written, by their places in <see cref="Columns" />: those that hold plaintexts,
    /// and those that
    /// hold envelopes as text, which a trigger for texts may change.
    /// </summary>
    public IReadOnlyList<int> ReadBack { get; } =
    [
        .. tasks.Where(t => t.Writes is { } at && (t.WritesPlaintext || columns[at].Form != StoredForm.Binary)).Select(t => t.Writes!.Value).Distinct(),
    ];

    public string NameOf(int column) => $"{table.DisplayName}.{columns[column].Name}";

    /// <summary>Tells whether a column is written under the version of searches, without regard to uniqueness.</summary>
    public bool IsSearchColumn(string column)
        => tasks.Any(t => t.Writes is { } at && columns[at].Name == column && t.Roles.Contains(EntityFrameworkCore.Storage.KeyRole.Search));

    /// <summary>Makes the condition that a row may need work, or <see langword="null" /> when every row has to be looked at.</summary>
    public string? Filter(Dialect dialect, JobKeys keys)
    {
        var terms = tasks.Select(t => t.Filter(this, dialect, keys)).ToList();
        return terms.Contains(null) ? null : $"({string.Join(" OR ", terms)})";
    }

    public string Quoted(Dialect dialect, int column) => $"t.{dialect.Quote(columns[column].Name)}";

    /// <summary>Converts a row.</summary>
    /// <exception cref="RowRefusedException">It cannot be converted.</exception>
    public void Apply(RowWork row, JobKeys keys)
    {
        foreach (var task in tasks)
            task.Apply(this, row, keys);
    }
}

/// <summary>What the values of a column are bound to.</summary>
/// <param name="Field">The stable name and type.</param>
/// <param name="AllowsPlaintext">Whether a text that is no envelope is a plaintext.</param>
internal sealed record ValueColumn(FieldContext Field, bool AllowsPlaintext);
