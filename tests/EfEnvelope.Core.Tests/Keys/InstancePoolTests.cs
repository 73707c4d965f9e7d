using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>An instance has one user at a time, is made of the right key or of none, and does not outlive its key.</summary>
public class InstancePoolTests
{
    [Fact]
    public void Instance_that_was_returned_is_used_again()
    {
        using var pool = Pool();

        // A slot belongs to a core, and the thread may be moved to another.
        var made = Enumerable.Range(0, 1000).Select(_ =>
        {
            var instance = pool.Rent(out var slot);
            pool.Return(instance, slot);
            return instance;
        }).Distinct().Count();

        Assert.InRange(made, 1, 16);
    }

    [Fact]
    public void Two_users_never_have_the_same_instance()
    {
        using var pool = Pool();
        var rented = Enumerable.Range(0, 100).Select(_ => (Instance: pool.Rent(out var slot), Slot: slot)).ToList();

        Assert.Equal(100, rented.Select(r => r.Instance).Distinct().Count());
        Assert.All(rented, r => Assert.False(r.Instance.Disposed));

        // Each slot keeps one.
        rented.ForEach(r => pool.Return(r.Instance, r.Slot));
        Assert.Equal(rented.Select(r => r.Slot).Distinct().Count(), rented.Count(r => !r.Instance.Disposed));
    }

    [Fact]
    public void Disposed_pool_disposes_what_it_has_and_what_comes_back_and_zeroes_its_key()
    {
        var key = Key();
        var pool = new InstancePool<Instance>(key, bytes => new Instance(bytes.ToArray()));
        var (back, used) = (pool.Rent(out var first), pool.Rent(out var second));
        pool.Return(back, first);

        pool.Dispose();

        Assert.True(back.Disposed);
        Assert.False(used.Disposed);
        Assert.All(TestRings.MemoryOf(key), b => Assert.Equal(0, b));
        Assert.Throws<ObjectDisposedException>(() => pool.Rent(out _));

        pool.Return(used, second);
        Assert.True(used.Disposed);
        Assert.All(TestRings.Field<Instance?[]>(pool, "_slots"), Assert.Null);
    }

    [Fact]
    public void Instance_made_while_the_key_is_zeroed_is_never_handed_out()
    {
        var key = Key();
        Instance? made = null;
        var pool = new InstancePool<Instance>(
            key,
            bytes =>
            {
                key.Dispose();
                return made = new Instance(bytes.ToArray());
            });

        Assert.Throws<ObjectDisposedException>(() => pool.Rent(out _));
        Assert.All(made!.Key, b => Assert.Equal(0, b));
        Assert.True(made.Disposed);
    }

    [Fact]
    public async Task Pool_dropped_while_threads_use_it_hands_out_the_right_key_to_one_user_and_keeps_nothing()
    {
        for (var round = 0; round < 500; round++)
        {
            var pool = Pool();
            using var start = new Barrier(4);
            var threads = Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
            {
                start.SignalAndWait();
                while (true)
                {
                    try
                    {
                        var instance = pool.Rent(out var slot);
                        Assert.Equal(1, Interlocked.Increment(ref instance.Users));
                        Assert.False(instance.Disposed);
                        Assert.DoesNotContain((byte)0, instance.Key);
                        Interlocked.Decrement(ref instance.Users);
                        pool.Return(instance, slot);
                    }
                    catch (ObjectDisposedException)
                    {
                        return;
                    }
                }
            })).ToList();
            start.SignalAndWait();
            Thread.SpinWait(round * 10);
            pool.Dispose();
            await Task.WhenAll(threads);

            Assert.All(TestRings.Field<Instance?[]>(pool, "_slots"), Assert.Null);
        }
    }

    private static InstancePool<Instance> Pool() => new(Key(), bytes => new Instance(bytes.ToArray()));

    private static OwnedBytes Key()
    {
        var key = new OwnedBytes(32);
        key.Span.Fill(0xA5);
        return key;
    }

    private sealed class Instance(byte[] key) : IDisposable
    {
        public int Users;

        public byte[] Key { get; } = key;

        public bool Disposed { get; private set; }

        public void Dispose() => Disposed = true;
    }
}
