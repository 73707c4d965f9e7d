using EfEnvelope.Specification.History;
using Xunit;

namespace EfEnvelope.Functional.History;

/// <summary>The checker itself, on histories made by hand: it is silent on right ones, and names each fault of a wrong one.</summary>
public sealed class HistoryCheckerTests
{
    private readonly List<HistoryEvent> _events = [];

    [Fact]
    public void Right_history_is_found_right()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2", secret: "new"), 20, 30);
        Acknowledge("b1", 2, State(1, "b1", code: "b"), 0, 10);
        Acknowledge("b2", 2, null, 20, 30, revision: 2);
        Acknowledge("b3", 2, State(3, "b3", code: "b"), 40, 50);
        Read(1, 15, 18, State(1, "a1"));
        Read(1, 15, 25, State(1, "a1"));
        Read(1, 15, 25, State(2, "a2", secret: "new"));
        Read(2, 25, 28, null);
        Read(2, 22, 45, State(1, "b1", code: "b"));
        Find("Code", "a", 35, 36, (1, State(2, "a2", secret: "new")));
        Find(null, null, 60, 61, (1, State(2, "a2", secret: "new")), (2, State(3, "b3", code: "b")));

        AssertFaults();
    }

    [Fact]
    public void Write_in_flight_may_or_may_not_have_taken_effect()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Begin("a2", 1, State(2, "a2", code: "z"), 20);
        Acknowledge("b1", 2, State(1, "b1", code: "b"), 0, 10);
        Begin("b2", 2, null, 20, revision: 2);
        Begin("c1", 3, State(1, "c1", code: "c"), 20);
        Read(1, 100, 110, State(1, "a1"));
        Read(2, 100, 110, State(1, "b1", code: "b"));
        Read(3, 100, 110, null);
        Read(1, 120, 130, State(2, "a2", code: "z"));
        Read(2, 120, 130, null);
        Read(3, 120, 130, State(1, "c1", code: "c"));
        Find("Code", "z", 140, 150, (1, State(2, "a2", code: "z")));

        AssertFaults();
    }

    [Fact]
    public void Lost_update_is_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2", secret: "new"), 20, 30);
        Read(1, 40, 50, State(1, "a1"));

        AssertFaults("Row 1 is stale");
    }

    [Fact]
    public void Lost_insert_and_lost_row_are_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("b1", 2, State(1, "b1", code: "b"), 0, 10);
        Read(1, 20, 30, null);
        Find(null, null, 40, 50, (1, State(1, "a1")));

        AssertFaults("Row 1 was missed by a read of row 1", "Row 2 was missed by a read of all rows");
    }

    [Fact]
    public void Row_that_comes_back_after_its_delete_is_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, null, 20, 30, revision: 2);
        Read(1, 40, 50, State(1, "a1"));

        AssertFaults("Row 1 is stale");
    }

    [Theory]
    [InlineData("Secret")]
    [InlineData("Amount")]
    [InlineData("Email")]
    [InlineData("Code")]
    [InlineData("Tag")]
    [InlineData("Note")]
    [InlineData("Label")]
    [InlineData("Visits")]
    public void Row_with_one_value_of_an_older_write_is_reported_with_where_it_came_from(string column)
    {
        var old = State(1, "a1");
        var next = new HistoryState(2, "a2", 2, "new", 2, "new", "new", "new", "new", "new");
        Acknowledge("a1", 1, old, 0, 10);
        Acknowledge("a2", 1, next, 20, 30);
        Read(
            1, 40, 50, column switch
            {
                "Secret" => next with { Secret = old.Secret },
                "Amount" => next with { Amount = old.Amount },
                "Email" => next with { Email = old.Email },
                "Code" => next with { Code = old.Code },
                "Tag" => next with { Tag = old.Tag },
                "Note" => next with { Note = old.Note },
                "Label" => next with { Label = old.Label },
                _ => next with { Visits = old.Visits },
            });

        AssertFaults($"Row 1 is torn: a2 (write, revision 2, acknowledged) wrote it last, but {column} came from a1");
    }

    [Fact]
    public void Value_that_nobody_wrote_is_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Read(1, 20, 30, State(1, "a1", secret: "garbage"));
        Read(2, 20, 30, State(1, "a1"));
        Read(1, 20, 30, State(5, "a9"));

        AssertFaults(
            "Row 1 is torn: a1 (write, revision 1, acknowledged) wrote it last, but Secret came from no other write", "Row 2 holds what nobody wrote",
            "Row 1 holds what nobody wrote");
    }

    [Fact]
    public void Stale_read_is_reported_also_if_only_another_reader_knows_better()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Begin("a2", 1, State(2, "a2"), 20);
        Read(1, 30, 40, State(2, "a2"));
        Read(1, 35, 45, State(1, "a1"));
        Read(1, 50, 60, State(1, "a1"));

        AssertFaults("Row 1 is stale: a read of row 1 saw a1");
    }

    [Fact]
    public void Value_seen_before_it_was_sent_is_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2"), 30, 40);
        Read(1, 15, 20, State(2, "a2"));

        AssertFaults("Row 1 was seen by a read of row 1 before a2");
    }

    [Fact]
    public void Refused_write_that_took_effect_is_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Fail("a2", 1, State(2, "a2"), 20, 30, WriteOutcome.Failed);
        Read(1, 40, 50, State(2, "a2"));

        AssertFaults("Row 1 holds what a2 (write, revision 2, failed) wrote");
    }

    [Fact]
    public void Two_acknowledged_writes_of_one_revision_are_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2"), 20, 30);
        Acknowledge("a3", 1, State(2, "a3"), 20, 30);

        AssertFaults("Row 1: a write was lost, because two made the same revision: a2");
    }

    [Fact]
    public void Missed_equality_row_is_reported_also_while_its_other_columns_change()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2", secret: "new"), 20, 30);
        Find("Email", "mail", 15, 18);
        Find("Tag", "tag", 15, 25);
        Find("Label", "label", 40, 45);

        AssertFaults("Row 1 was missed by a query for Email", "Row 1 was missed by a query for Tag", "Row 1 was missed by a query for Label");
    }

    [Fact]
    public void Row_whose_value_changes_during_a_query_may_be_missed()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2", code: "other"), 20, 30);
        Acknowledge("b1", 2, State(1, "b1", code: "b"), 0, 10);
        Begin("b2", 2, null, 20, revision: 2);
        Acknowledge("c1", 3, State(1, "c1", code: "c"), 20, 30);
        Find("Code", "a", 15, 25);
        Find("Code", "b", 100, 110);
        Find("Code", "c", 25, 35);

        AssertFaults();
    }

    [Fact]
    public void Row_returned_for_a_value_it_does_not_hold_is_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("b1", 2, State(1, "b1", code: "b"), 0, 10);
        Find("Code", "a", 15, 18, (1, State(1, "a1")), (2, State(1, "b1", code: "b")));
        Find("Email", "mail", 15, 18, (1, State(1, "a1")), (1, State(1, "a1")), (2, State(1, "b1", code: "b")));

        AssertFaults("Row 2 was returned by a query for Code = 'a', but holds 'b'", "Row 1 was returned twice");
    }

    [Fact]
    public void Acknowledged_duplicate_is_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("b1", 2, State(1, "b1"), 20, 30);

        AssertFaults("Unique value 'a' was in row 1 by a1 (write, revision 1, acknowledged) and in row 2 by b1");
    }

    [Fact]
    public void Duplicate_is_reported_also_behind_later_writes_that_keep_the_value()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2", secret: "new"), 20, 30);
        Acknowledge("b1", 2, State(1, "b1", code: "b"), 0, 10);
        Acknowledge("b2", 2, State(2, "b2"), 40, 50);
        Acknowledge("b3", 2, State(3, "b3", code: "b"), 60, 70);

        AssertFaults("Unique value 'a' was in row 1", "Unique value 'a' was in row 1");
    }

    [Fact]
    public void Unique_value_that_one_row_gives_up_before_another_takes_it_is_right()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2", code: "other"), 20, 30);
        Acknowledge("b1", 2, State(1, "b1"), 25, 50);
        Acknowledge("c1", 3, State(1, "c1", code: "c"), 0, 10);
        Acknowledge("c2", 3, null, 20, 30, revision: 2);
        Acknowledge("d1", 4, State(1, "d1", code: "c"), 40, 50);

        AssertFaults();
    }

    [Fact]
    public void Refusal_of_a_value_that_nobody_holds_is_reported()
    {
        Acknowledge("a1", 1, State(1, "a1"), 0, 10);
        Acknowledge("a2", 1, State(2, "a2", code: "other"), 20, 30);
        Fail("b1", 2, State(1, "b1"), 40, 50, WriteOutcome.Duplicate);
        Fail("c1", 3, State(1, "c1"), 25, 50, WriteOutcome.Duplicate);
        Fail("d1", 4, State(1, "d1", code: "other"), 40, 50, WriteOutcome.Duplicate);

        AssertFaults("Row 2: b1 (write, revision 1, duplicate) was refused as a duplicate");
    }

    [Fact]
    public void Alarm_of_a_process_is_reported()
    {
        _events.Add(new HistoryEvent { Kind = HistoryEventKind.Alarm, Message = "The value does not open." });

        AssertFaults("Alarm: The value does not open.");
    }

    [Fact]
    public void Log_of_a_killed_process_is_read_up_to_its_last_whole_line()
    {
        var folder = Directory.CreateTempSubdirectory("efenvelope-").FullName;
        var file = Path.Combine(folder, "killed.log");
        using (var log = new HistoryLog(file))
        {
            log.Begin("a1", 5, 1, 1, State(1, "a1"));
            log.End("a1", WriteOutcome.Acknowledged);
            log.Begin("a2", 6, 1, 2, null);
            log.Query(7, [State(1, "a1").ToRow(1)], column: "Code", value: "a");
        }

        File.AppendAllText(file, """{"Kind":"End","Op":"a2","Out""");
        var events = HistoryLog.ReadFolder(folder);
        Directory.Delete(folder, recursive: true);

        Assert.Equal(
            [HistoryEventKind.Begin, HistoryEventKind.End, HistoryEventKind.Begin, HistoryEventKind.Query], events.Select(e => e.Kind));
        Assert.Equal((State(1, "a1"), 1L, 5L), (events[0].State, events[0].Row, events[0].Begin));
        Assert.Equal(WriteOutcome.Acknowledged, events[1].Outcome);
        Assert.Equal((null, 2), (events[2].State, events[2].Revision));
        Assert.Equal([new SeenRow(1, State(1, "a1"))], events[3].Rows);
    }

    private static HistoryState State(int revision, string op, string secret = "secret", string code = "a")
        => new(revision, op, 1, secret, 1.5m, "mail", code, "tag", "note", "label");

    private void Begin(string op, long row, HistoryState? state, long begin, int? revision = null)
        => _events.Add(
            new HistoryEvent
            {
                Kind = HistoryEventKind.Begin, Op = op, Row = row, State = state, Begin = begin, Revision = revision ?? state!.Revision,
            });

    private void Acknowledge(string op, long row, HistoryState? state, long begin, long end, int? revision = null)
    {
        Begin(op, row, state, begin, revision);
        _events.Add(new HistoryEvent { Kind = HistoryEventKind.End, Op = op, End = end, Outcome = WriteOutcome.Acknowledged });
    }

    private void Fail(string op, long row, HistoryState state, long begin, long end, WriteOutcome outcome)
    {
        Begin(op, row, state, begin);
        _events.Add(new HistoryEvent { Kind = HistoryEventKind.End, Op = op, End = end, Outcome = outcome });
    }

    private void Read(long row, long begin, long end, HistoryState? state)
        => _events.Add(
            new HistoryEvent
            {
                Kind = HistoryEventKind.Query, Row = row, Begin = begin, End = end, Rows = state is null ? [] : [new SeenRow(row, state)],
            });

    private void Find(string? column, string? value, long begin, long end, params (long Row, HistoryState State)[] rows)
        => _events.Add(
            new HistoryEvent
            {
                Kind = HistoryEventKind.Query, Column = column, Value = value, Begin = begin, End = end, Rows = [.. rows.Select(r => new SeenRow(r.Row, r.State))],
            });

    // Each fault is found, and no other.
    private void AssertFaults(params string[] expected)
    {
        var faults = HistoryChecker.Check(_events);
        Assert.All(expected, e => Assert.Contains(faults, f => f.StartsWith(e, StringComparison.Ordinal)));
        Assert.True(faults.Count == expected.Length, string.Join(Environment.NewLine, faults));
    }
}
