using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Tests;

/// <summary>One key store, one KMS and one clock, and as many processes as a test needs.</summary>
internal sealed class RingWorld
{
    public static readonly KeyScope Scope = new("clinic");

    public RingWorld()
    {
        Kms = new TestKms();
        Store = new MemoryKeyStore(Time, Journal);
        Log = new JournalLogger(Time);
        Wrapper = new JournalKms(Kms, Journal);
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    public List<string> Journal { get; } = [];

    public TestKms Kms { get; }

    public IKeyWrapper Wrapper { get; set; }

    public MemoryKeyStore Store { get; }

    public JournalLogger Log { get; }

    public EnvelopeOptions Options { get; set; } = new() { Scope = "clinic", RotateAfter = null, UsesIntermediateKey = false };

    public KeyRingCache NewCache(params IKeyWrapper[] wrappers) => new(wrappers.Length == 0 ? [Wrapper] : wrappers, Options, Time, Log);

    /// <summary>Gets what changes versions by hand, in a new process.</summary>
    public KeyRingAdministration NewAdministration(params IKeyWrapper[] wrappers)
        => new KeyRingCache(wrappers.Length == 0 ? [Wrapper] : wrappers, Options, Time, Log).Administration;

    public static KeyVersion Version(int number) => new(Scope, number);

    /// <summary>Gets the slot of a new process.</summary>
    public KeyRingSlot NewSlot() => NewCache().GetSlot(new KeyStoreIdentity(Store, ""), Scope);

    /// <summary>Gets the slot of a new process that has loaded its ring.</summary>
    public async Task<KeyRingSlot> WarmSlotAsync()
    {
        var slot = NewSlot();
        await WriteAsync(slot);
        return slot;
    }

    /// <summary>Gets a slot whose ring is due for a refresh and not past its time; the moment between is drawn at random.</summary>
    public async Task<KeyRingSlot> DueSlotAsync()
    {
        while (true)
        {
            var slot = await WarmSlotAsync();
            Time.Advance(Options.RefreshInterval - TimeSpan.FromTicks(1));
            if (slot.GetFresh(RingUse.Read) is null)
                return slot;
        }
    }

    public ValueTask<KeyRing> ReadAsync(KeyRingSlot slot) => slot.GetAsync(Store, RingUse.Read, CancellationToken.None);

    public ValueTask<KeyRing> WriteAsync(KeyRingSlot slot) => slot.GetAsync(Store, RingUse.Write, CancellationToken.None);

    public ValueTask<KeyRing> SearchAsync(KeyRingSlot slot) => slot.GetAsync(Store, RingUse.Search, CancellationToken.None);

    public ValueTask<KeyVersion> RotateSearchAsync(KeyRingSlot slot, TimeSpan? delay = null)
        => slot.RotateAsync(Store, delay ?? Options.ActivationDelay, searches: true, CancellationToken.None);

    public ValueTask<KeyVersion> RotateAsync(KeyRingSlot slot, TimeSpan? delay = null)
        => slot.RotateAsync(Store, delay ?? Options.ActivationDelay, searches: false, CancellationToken.None);
}

internal sealed class JournalKms(IKeyWrapper inner, List<string> journal) : IKeyWrapper
{
    public KekUri Kek => inner.Kek;

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        lock (journal)
            journal.Add("wrap");
        return inner.WrapAsync(key, context, cancellationToken);
    }

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        lock (journal)
            journal.Add("unwrap");
        return inner.UnwrapAsync(wrapped, context, cancellationToken);
    }
}

/// <summary>A KMS that answers well formed, and wrong.</summary>
internal sealed class LyingKms(IKeyWrapper inner) : IKeyWrapper
{
    public bool Lies { get; set; } = true;

    public int Length { get; set; } = 32;

    public KekUri Kek => inner.Kek;

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => inner.WrapAsync(key, context, cancellationToken);

    public async ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        var key = await inner.UnwrapAsync(wrapped, context, cancellationToken);
        return Lies ? System.Security.Cryptography.RandomNumberGenerator.GetBytes(Length) : key;
    }
}

/// <summary>A KMS that ignores the encryption context, as some services do.</summary>
internal sealed class ForgetfulKms(IKeyWrapper inner) : IKeyWrapper
{
    public KekUri Kek => inner.Kek;

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => inner.WrapAsync(key, EncryptionContext.Empty, cancellationToken);

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => inner.UnwrapAsync(wrapped, EncryptionContext.Empty, cancellationToken);
}

/// <summary>Refuses or fails for one wrapped key and serves the others.</summary>
internal sealed class ChoosyKms(IKeyWrapper inner, Func<EncryptionContext, KmsErrorKind?> fails) : IKeyWrapper
{
    public KekUri Kek => inner.Kek;

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => inner.WrapAsync(key, context, cancellationToken);

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => fails(context) is { } kind ? throw new KmsException(kind, "no") : inner.UnwrapAsync(wrapped, context, cancellationToken);
}

internal sealed class JournalLogger(TimeProvider time) : ILogger
{
    private readonly List<(int Id, LogLevel Level, string Text, DateTimeOffset At)> _events = [];

    public IReadOnlyList<(int Id, LogLevel Level, string Text, DateTimeOffset At)> Events
    {
        get
        {
            lock (_events)
                return [.. _events];
        }
    }

    public int Count(int id) => Events.Count(e => e.Id == id);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_events)
            _events.Add((eventId.Id, logLevel, formatter(state, exception), time.GetUtcNow()));
    }
}
