using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>How often one version may encrypt values of one column, across processes.</summary>
public class UsageBudgetTests
{
    private const string Column = "Patients.Ssn";
    private const long HardLimit = 4294967296;

    private readonly RingWorld _world = new();

    [Fact]
    public async Task Processes_and_threads_together_never_take_more_than_was_reserved()
    {
        _world.Options = _world.Options with { RotateAfterValues = 16 * 700 };
        var slots = new[] { await _world.WarmSlotAsync(), await _world.WarmSlotAsync() };
        var keys = slots.Select(s => s.GetFresh(RingUse.Read)!.Primary).ToList();
        long taken = 0;
        var threads = slots.SelectMany((slot, i) => Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (var round = 0; round < 2000; round++)
            {
                var count = 1 + (round % 5);
                await TakeAsync(slot, keys[i], count);
                Assert.True(Interlocked.Add(ref taken, count) <= _world.Store.Reserved(1, Column));
            }
        })));

        await Task.WhenAll(threads);

        Assert.Equal(2 * 8 * 2000 * 3, taken);

        // And no more is reserved ahead than each process can have left over.
        Assert.InRange(_world.Store.Reserved(1, Column) - taken, 0, 2 * 700);
    }

    [Fact]
    public async Task Key_store_is_asked_once_per_block_and_not_per_value()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        for (var i = 0; i < 65536; i++)
            await TakeAsync(slot, key, 1);

        Assert.Equal(1, _world.Journal.Count(e => e == "reserve"));
        Assert.Equal(65536, _world.Store.Reserved(1, Column));
    }

    [Fact]
    public async Task No_version_encrypts_more_than_two_to_the_32_values_of_a_column()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        _world.Store.Reserve(1, Column, HardLimit - 65536);
        await TakeAsync(slot, key, 65536);
        Assert.Equal(HardLimit, _world.Store.Reserved(1, Column));

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => TakeAsync(slot, key, 1));
        Assert.Contains("'clinic:v1'", e.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<KeyUnavailableException>(() => TakeAsync(slot, key, 1));

        // Another column has a subkey, and so a limit, of its own.
        await slot.TakeBudgetAsync(
            _world.Store, key, FieldContext.Get("Patients.Email", "string").GetBudget(key), 1, CancellationToken.None);
    }

    [Fact]
    public async Task Values_encrypted_inside_a_transaction_are_settled_with_the_next_reservation()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        _world.Store.InTransaction = true;
        for (var i = 0; i < 100; i++)
            await TakeAsync(slot, key, 7);
        Assert.Equal(0, _world.Store.Reserved(1, Column));

        _world.Store.InTransaction = false;
        await TakeAsync(slot, key, 1);

        Assert.Equal(700 + 65536, _world.Store.Reserved(1, Column));
        await TakeAsync(slot, key, 65535);
        await TakeAsync(slot, key, 1);
        Assert.Equal(700 + (2 * 65536), _world.Store.Reserved(1, Column));
    }

    [Fact]
    public async Task Transaction_that_holds_the_only_writer_does_not_queue_behind_who_waits_for_it()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        var (asked, committed) = (new TaskCompletionSource(), new TaskCompletionSource());
        _world.Store.BeforeWrite = () =>
        {
            asked.TrySetResult();
            return committed.Task;
        };
        var waiting = TakeAsync(slot, key, 1);
        await asked.Task;

        var inside = new TransactionKeyStore(_world.Store);
        for (var i = 0; i < 10; i++)
        {
            Assert.True(slot.TakeBudgetAsync(
                inside, key, FieldContext.Get(Column, "string").GetBudget(key), 7, CancellationToken.None).IsCompletedSuccessfully);
        }

        Assert.True(slot.SettleAsync(inside, CancellationToken.None).IsCompletedSuccessfully);
        Assert.False(waiting.IsCompleted);
        committed.SetResult();
        await waiting;

        // What was owed while another reservation was under way is still owed, and settled by the next.
        Assert.Equal(65536, _world.Store.Reserved(1, Column));
        Assert.True(slot.HasDebt);
        await slot.SettleAsync(_world.Store, CancellationToken.None);
        Assert.False(slot.HasDebt);
        Assert.InRange(_world.Store.Reserved(1, Column), 65536 + 70, (2 * 65536) + 70);
    }

    [Fact]
    public async Task Threads_of_one_transaction_never_owe_more_than_is_allowed()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        var budget = FieldContext.Get(Column, "string").GetBudget(key);
        var inside = new TransactionKeyStore(_world.Store);
        var owed = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 3; i++)
            {
                try
                {
                    await slot.TakeBudgetAsync(inside, key, budget, 1 << 20, CancellationToken.None);
                    Interlocked.Increment(ref owed);
                }
                catch (KeyUnavailableException)
                {
                }
            }
        })));

        Assert.Equal(16, owed);
    }

    [Fact]
    public async Task Transaction_that_encrypts_too_much_is_refused()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        _world.Store.InTransaction = true;
        await TakeAsync(slot, key, 1 << 24);

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => TakeAsync(slot, key, 1));
        Assert.Contains($"'{Column}'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Debt_survives_a_store_that_fails_while_it_is_settled()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        _world.Store.InTransaction = true;
        await TakeAsync(slot, key, 500);
        _world.Store.InTransaction = false;
        _world.Store.Failure = new IOException("The database is gone.");
        await Assert.ThrowsAsync<IOException>(() => TakeAsync(slot, key, 1));
        _world.Store.Failure = null;

        await TakeAsync(slot, key, 1);

        Assert.Equal(500 + 65536, _world.Store.Reserved(1, Column));
    }

    [Fact]
    public async Task Version_whose_budget_runs_out_is_replaced_by_itself_once()
    {
        _world.Options = _world.Options with { RotateAfterValues = 64 };
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        for (var i = 0; i < 60; i++)
            await TakeAsync(slot, key, 1);
        Assert.Single(_world.Store.Rows);
        for (var i = 0; i < 60; i++)
            await TakeAsync(slot, key, 1);

        Assert.Equal(2, _world.Store.Rows.Count);
        Assert.Equal(_world.Time.GetUtcNow() + _world.Options.ActivationDelay, _world.Store[2].EncryptsFrom);
        Assert.Same(key, slot.GetFresh(RingUse.Read)!.Primary);
    }

    private Task TakeAsync(KeyRingSlot slot, DataKey key, int count)
        => slot.TakeBudgetAsync(_world.Store, key, FieldContext.Get(Column, "string").GetBudget(key), count, CancellationToken.None).AsTask();
}
