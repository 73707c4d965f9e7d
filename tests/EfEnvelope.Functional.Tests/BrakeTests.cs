using EfEnvelope.Rotation;
using EfEnvelope.Rotation.Engine;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace EfEnvelope.Functional;

/// <summary>How long a worker rests between batches, by a clock of the test's own.</summary>
public sealed class BrakeTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_rate_is_held_over_many_batches()
    {
        var brake = Brake(new Throttle { RowsPerSecond = 100 });
        Assert.Equal(25, brake.BatchSize(500));
        for (var i = 0; i < 40; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(50));
            _time.Advance(brake.Rest(25, TimeSpan.FromMilliseconds(50)));
        }

        Assert.Equal(10, (_time.GetUtcNow() - new FakeTimeProvider().GetUtcNow()).TotalSeconds, 0.01);
        Assert.Contains("100 rows per second", brake.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Time_that_was_lost_is_not_made_up_for_by_a_burst()
    {
        var brake = Brake(new Throttle { RowsPerSecond = 100 });
        brake.Rest(100, TimeSpan.Zero);
        _time.Advance(TimeSpan.FromHours(1));
        brake.Rest(1, TimeSpan.Zero);
        Assert.Equal(TimeSpan.FromSeconds(5), brake.Rest(500, TimeSpan.Zero));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(250, 50)]
    [InlineData(5000, 200)]
    [InlineData(100_000, 500)]
    public void A_batch_is_never_empty_nor_larger_than_usual(int rate, int size)
        => Assert.Equal(size, Brake(new Throttle { RowsPerSecond = rate }).BatchSize(500));

    [Fact]
    public void A_duty_cycle_rests_for_the_other_part_of_the_time()
    {
        Assert.Equal(TimeSpan.FromSeconds(3), Brake(new Throttle { DutyCycle = 0.25 }).Rest(1, TimeSpan.FromSeconds(1)));
        Assert.Equal(TimeSpan.Zero, Brake(new Throttle { DutyCycle = 1 }).Rest(1, TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void The_usual_duty_holds_until_another_is_set()
    {
        var brake = new Brake(_time, usualDuty: 0.5);
        Assert.Equal(TimeSpan.FromSeconds(2), brake.Rest(1, TimeSpan.FromSeconds(2)));
        brake.Follow(new Throttle { DutyCycle = 1 }.Format());
        Assert.Equal(TimeSpan.Zero, brake.Rest(1, TimeSpan.FromSeconds(2)));
        Assert.Null(brake.Reason);
    }

    [Fact]
    public void Slow_batches_are_answered_by_longer_and_longer_rests_and_quick_ones_by_shorter()
    {
        var brake = Brake(new Throttle { MaxLatency = TimeSpan.FromMilliseconds(100) });
        var slow = TimeSpan.FromMilliseconds(101);
        Assert.Equal([100, 200, 400, 800], Enumerable.Range(0, 4).Select(_ => brake.Rest(1, slow).TotalMilliseconds));
        Assert.Contains("100 ms", brake.Reason, StringComparison.Ordinal);
        for (var i = 0; i < 20; i++)
            brake.Rest(1, slow);
        Assert.Equal(TimeSpan.FromSeconds(10), brake.Rest(1, slow));
        Assert.Equal(TimeSpan.FromSeconds(5), brake.Rest(1, TimeSpan.FromMilliseconds(100)));
        for (var i = 0; i < 20; i++)
            brake.Rest(1, TimeSpan.Zero);
        Assert.Equal(TimeSpan.Zero, brake.Rest(1, TimeSpan.Zero));
    }

    [Fact]
    public void Of_several_brakes_the_longest_rest_holds()
    {
        var brake = Brake(new Throttle { RowsPerSecond = 1000, DutyCycle = 0.5, MaxLatency = TimeSpan.FromMilliseconds(10) });
        Assert.Equal(TimeSpan.FromSeconds(1), brake.Rest(100, TimeSpan.FromSeconds(1)));
        Assert.Contains("50", brake.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("02:00", "04:00", "2024-05-05 03:00", null)]
    [InlineData("02:00", "04:00", "2024-05-05 02:00", null)]
    [InlineData("02:00", "04:00", "2024-05-05 04:00", "2024-05-06 02:00")]
    [InlineData("02:00", "04:00", "2024-05-05 01:59", "2024-05-05 02:00")]
    [InlineData("22:00", "04:00", "2024-12-31 23:00", null)]
    [InlineData("22:00", "04:00", "2025-01-01 03:59", null)]
    [InlineData("22:00", "04:00", "2025-01-01 04:00", "2025-01-01 22:00")]
    [InlineData("22:00", "00:00", "2024-02-29 00:00", "2024-02-29 22:00")]
    public void A_window_is_open_between_its_times_over_midnight_too(string start, string end, string now, string? opens)
    {
        var throttle = new Throttle { WindowStart = TimeOnly.Parse(start, System.Globalization.CultureInfo.InvariantCulture), WindowEnd = TimeOnly.Parse(end, System.Globalization.CultureInfo.InvariantCulture) };
        Assert.Equal(opens is null ? null : Utc(opens), Rotation.Engine.Brake.OpensAt(throttle, Utc(now)));
        Assert.Null(Rotation.Engine.Brake.OpensAt(new Throttle(), Utc(now)));
    }

    private static DateTimeOffset Utc(string text) => DateTimeOffset.Parse($"{text}Z", System.Globalization.CultureInfo.InvariantCulture);

    private Brake Brake(Throttle throttle)
    {
        var brake = new Brake(_time, null);
        brake.Follow(throttle.Format());
        return brake;
    }
}
