using System.Collections.Concurrent;
using System.Diagnostics;
using System.Reflection;
using System.Security.Cryptography;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>Keys are owned: zeroed when dropped, never printed, safe for many threads.</summary>
public class DataKeyTests
{
    [Fact]
    public void Array_given_to_a_data_key_is_zeroed()
    {
        var bytes = RandomNumberGenerator.GetBytes(32);
        var copy = bytes.ToArray();
        using var key = new DataKey(new KeyVersion(new KeyScope("clinic"), 1), bytes);

        Assert.All(bytes, b => Assert.Equal(0, b));
        Assert.Equal(copy, TestRings.MemoryOf(key));
    }

    [Fact]
    public void Memory_of_a_dropped_key_and_of_its_subkeys_is_zeroed()
    {
        var key = TestRings.Key("clinic", 1, RandomNumberGenerator.GetBytes(32));
        TestRings.Encrypt(key, "t.a", "value");
        TestRings.Encrypt(key, "t.b", 1);
        TestRings.Encrypt(key, "t.a", "value", EnvelopeAlgorithm.Aes256Siv);
        var ciphers = CiphersOf(key);
        Assert.Equal(3, ciphers.Count);
        Assert.All(ciphers, c => Assert.Contains(SubkeyOf(c), b => b != 0));

        key.Dispose();

        Assert.All(TestRings.MemoryOf(key), b => Assert.Equal(0, b));
        Assert.All(ciphers, c => Assert.All(SubkeyOf(c), b => Assert.Equal(0, b)));
        AssertDrained(key);
    }

    [Fact]
    public void Dropped_key_asks_to_retry()
    {
        var key = TestRings.Key("clinic", 1, RandomNumberGenerator.GetBytes(32));
        var envelope = TestRings.Encrypt(key, "t.c", "value");
        key.Dispose();

        Assert.Throws<KeyUnavailableException>(() => TestRings.Encrypt(key, "t.c", "value"));
        Assert.Throws<KeyUnavailableException>(() => TestRings.Encrypt(key, "t.another", "value"));
        Assert.Throws<KeyUnavailableException>(() => TestRings.Decrypt<string>(key, "t.c", envelope));
        Assert.Throws<ObjectDisposedException>(key.DeriveCommitment);
    }

    [Fact]
    public void Nothing_that_prints_a_key_prints_its_bytes()
    {
        var bytes = RandomNumberGenerator.GetBytes(32);
        using var key = TestRings.Key("clinic", 3, bytes);
        using var owned = new OwnedBytes(32);
        bytes.CopyTo(owned.Span);
        var ring = TestRings.Ring("clinic", (3, bytes));

        Assert.Equal("DataKey(clinic:v3)", key.ToString());
        Assert.Equal("clinic:v3", key.Version.ToString());
        Assert.Equal("OwnedBytes(32)", owned.ToString());
        foreach (var text in new[] { key.ToString(), key.Version.ToString(), owned.ToString(), ring.ToString(), ring.Keys[0].ToString(), ring.Keys[0].Stored.ToString() })
        {
            Assert.DoesNotContain(Convert.ToHexString(bytes)[..6], text, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(Convert.ToBase64String(bytes)[..6], text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Key_types_show_the_debugger_a_name_and_expose_no_bytes()
    {
        Assert.Equal("{ToString(),nq}", typeof(DataKey).GetCustomAttribute<DebuggerDisplayAttribute>()!.Value);
        Assert.DoesNotContain(
            typeof(DataKey).GetProperties(BindingFlags.Instance | BindingFlags.Public),
            p => p.PropertyType == typeof(byte[]) || p.PropertyType.Name.StartsWith("ReadOnlyMemory", StringComparison.Ordinal));
        Assert.DoesNotContain(typeof(DataKey).Assembly.GetExportedTypes(), t => t == typeof(DataKey) || t == typeof(OwnedBytes) || t == typeof(KeyRing));
    }

    [Theory]
    [InlineData(EnvelopeAlgorithm.Aes256Gcm)]
    [InlineData(EnvelopeAlgorithm.Aes256Siv)]
    public async Task Many_threads_on_one_cipher_never_see_a_wrong_value(EnvelopeAlgorithm algorithm)
    {
        using var key = TestRings.Key("clinic", 1, RandomNumberGenerator.GetBytes(32));
        var shared = new ConcurrentQueue<(string Value, byte[] Envelope)>();
        var wrong = 0;
        var threads = Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
        {
            for (var i = 0; i < 20_000; i++)
            {
                var value = $"{thread}:{i}:{new string('x', i % 70)}";
                shared.Enqueue((value, TestRings.Encrypt(key, "t.c", value, algorithm)));
                if (shared.TryDequeue(out var item) && TestRings.Decrypt<string>(key, "t.c", item.Envelope) != item.Value)
                    Interlocked.Increment(ref wrong);
            }
        }));

        await Task.WhenAll(threads);

        Assert.Equal(0, wrong);
        Assert.All(shared, item => Assert.Equal(item.Value, TestRings.Decrypt<string>(key, "t.c", item.Envelope)));
    }

    [Fact]
    public async Task Nonces_are_unique_over_two_million_draws_on_eight_threads()
    {
        const int PerThread = 250_000;
        var drawn = new UInt128[8 * PerThread];
        var threads = Enumerable.Range(0, 8).Select(thread => Task.Factory.StartNew(
            () =>
            {
                var nonce = new byte[16];
                for (var i = 0; i < PerThread; i++)
                {
                    NonceSource.Fill(nonce.AsSpan(0, 12));
                    drawn[(thread * PerThread) + i] = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(nonce);
                }
            },
            TaskCreationOptions.LongRunning));
        await Task.WhenAll(threads);

        Array.Sort(drawn);
        for (var i = 1; i < drawn.Length; i++)
            Assert.True(drawn[i - 1] != drawn[i], "A nonce was drawn twice.");

        // And none is made of bytes that were never filled or already used.
        Assert.NotEqual(UInt128.Zero, drawn[0]);
    }

    [Theory]
    [InlineData(EnvelopeAlgorithm.Aes256Gcm)]
    [InlineData(EnvelopeAlgorithm.Aes256Siv)]
    public async Task Key_dropped_while_threads_use_it_gives_right_results_or_asks_to_retry_and_leaves_nothing_behind(EnvelopeAlgorithm algorithm)
    {
        for (var round = 0; round < 400; round++)
        {
            var bytes = RandomNumberGenerator.GetBytes(32);
            var key = TestRings.Key("clinic", 1, bytes);
            var made = new ConcurrentQueue<(string Field, byte[] Envelope)>();
            using var start = new Barrier(4);
            var threads = Enumerable.Range(0, 3).Select(thread => Task.Run(() =>
            {
                start.SignalAndWait();
                for (var i = 0; ; i++)
                {
                    try
                    {
                        // A new column now and then, so that subkeys are being derived when the key goes.
                        var field = $"t.c{i / 4}";
                        var envelope = TestRings.Encrypt(key, field, "value", algorithm);
                        made.Enqueue((field, envelope));
                        Assert.Equal("value", TestRings.Decrypt<string>(key, field, envelope));
                    }
                    catch (KeyUnavailableException)
                    {
                        return;
                    }
                }
            })).ToList();
            start.SignalAndWait();
            Thread.SpinWait(round * 40);
            key.Dispose();
            await Task.WhenAll(threads);

            using var again = TestRings.Key("clinic", 1, bytes);
            Assert.All(made, m => Assert.Equal("value", TestRings.Decrypt<string>(again, m.Field, m.Envelope)));
            Assert.All(TestRings.MemoryOf(key), b => Assert.Equal(0, b));
            AssertDrained(key);
        }
    }

    [Fact]
    public async Task Subkey_derived_while_its_key_is_dropped_is_the_right_one_or_none()
    {
        byte[] bytes = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
        using var intact = TestRings.Key("clinic", 1, bytes);
        var right = intact.DeriveCommitment();
        var shared = TestRings.Key("clinic", 1, bytes);
        var (wrong, derived, done) = (0, 0, false);
        using var started = new CountdownEvent(2);
        var threads = Enumerable.Range(0, 2).Select(_ => Task.Factory.StartNew(
            () =>
            {
                started.Signal();
                while (!Volatile.Read(ref done))
                {
                    try
                    {
                        if (!Volatile.Read(ref shared).DeriveCommitment().AsSpan().SequenceEqual(right))
                            Interlocked.Increment(ref wrong);
                        Interlocked.Increment(ref derived);
                    }
                    catch (ObjectDisposedException)
                    {
                    }
                }
            },
            TaskCreationOptions.LongRunning)).ToList();
        started.Wait();
        for (var round = 0; round < 60_000 || Volatile.Read(ref derived) == 0; round++)
        {
            Thread.SpinWait(round % 100);
            shared.Dispose();
            Volatile.Write(ref shared, TestRings.Key("clinic", 1, bytes));
        }

        Volatile.Write(ref done, true);
        await Task.WhenAll(threads);
        Assert.Equal(0, wrong);
    }

    // What the hammers above meet by luck: the key is zeroed between the check and the use.
    [Fact]
    public void Bytes_taken_before_a_key_was_dropped_are_proved_after_their_use()
    {
        var bytes = new OwnedBytes(32);
        _ = bytes.Span;
        bytes.ThrowIfDisposed();
        bytes.Dispose();

        Assert.Throws<ObjectDisposedException>(bytes.ThrowIfDisposed);
        Assert.Throws<ObjectDisposedException>(() => bytes.Span.Length);
    }

    private static List<FieldCipher> CiphersOf(DataKey key)
        => [.. TestRings.Field<ConcurrentDictionary<object, IDisposable>>(key, "_subkeys").Values.OfType<FieldCipher>()];

    private static object PoolOf(FieldCipher cipher)
        => TestRings.Field<object>(cipher is AesGcmFieldCipher ? TestRings.Field<object>(cipher, "_gcm") : cipher, "_pool");

    private static byte[] SubkeyOf(FieldCipher cipher) => TestRings.MemoryOf(TestRings.Field<OwnedBytes>(PoolOf(cipher), "_key"));

    private static void AssertDrained(DataKey key)
    {
        foreach (var cipher in CiphersOf(key))
        {
            Assert.All(TestRings.Field<object?[]>(PoolOf(cipher), "_slots"), Assert.Null);
            Assert.All(SubkeyOf(cipher), b => Assert.Equal(0, b));
        }
    }
}
