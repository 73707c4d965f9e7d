using EfEnvelope.Kms.Local.Storage;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local;

public sealed class SecrecyTests : IDisposable
{
    private const string Secret = "Xyzzy-Plugh-42";

    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task File_holds_no_passphrase_and_no_key_in_plaintext()
    {
        var key = TestKms.NewKey();
        using (var kms = await _test.CreateAsync(TestKms.QuickSeal(Secret)))
        {
            await using var reader = await SqliteFile.OpenAsync(_test.File);
            await using var command = reader.CreateCommand();
            command.CommandText = "SELECT name FROM kms_keys";
            Assert.Equal(TestKms.KeyName, await command.ExecuteScalarAsync(TestKms.Cancellation));
            await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
            await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);

            // With the write-ahead log, which lives as long as somebody is connected.
            Assert.Equal(3, Directory.GetFiles(_test.Folder).Length);
            AssertHidden();
        }

        AssertHidden();

        void AssertHidden()
        {
            var found = false;
            foreach (var path in Directory.GetFiles(_test.Folder))
            {
                using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                var bytes = new byte[stream.Length];
                stream.ReadExactly(bytes);
                found |= bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(TestKms.KeyName)) >= 0;
                Assert.True(bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Secret)) < 0, path);
                Assert.True(bytes.AsSpan().IndexOf(Encoding.Unicode.GetBytes(Secret)) < 0, path);
                Assert.True(bytes.AsSpan().IndexOf(key.AsSpan(0, 8)) < 0, path);
            }

            Assert.True(found, "The name of the key, which is not secret, was not found either.");
        }
    }

    [Fact]
    public async Task KEK_material_that_opens_a_wrapped_key_is_not_in_the_file()
    {
        using var kms = await _test.CreateAsync();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        var bytes = await File.ReadAllBytesAsync(_test.File, TestKms.Cancellation);

        Assert.True(Keks.WrappedBytes.TryRead(wrapped.Ciphertext.Span, out var read));
        for (var i = 0; i + 32 <= bytes.Length; i++)
            Assert.False(bytes.AsSpan(i, 32).IndexOfAnyExcept((byte)0) >= 0 && read.TryOpen(bytes.AsSpan(i, 32), TestKms.Context, out _));
    }

    [Fact]
    public async Task Passphrase_is_in_no_text()
    {
        var log = new RecordingLoggerFactory();
        var seal = TestKms.QuickSeal(Secret);
        var texts = new List<string> { seal.ToString()!, LocalKmsSeal.Passphrase(Secret).ToString()! };
        var builder = new EnvelopeOptionsBuilder().UseLocalKms(_test.ConnectionString, Secret);
        texts.Add(new LocalKmsIdentity(new FilePlace(LocalKmsFile.Parse(_test.ConnectionString)), seal, "clinic").ToString());
        texts.Add(builder.ToString()!);

        using (var kms = await _test.CreateAsync(seal, loggers: log))
        {
            texts.Add(kms.ToString());
            texts.Add(kms.GetKeyWrapper(TestKms.KeyName).ToString()!);
            await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
            await kms.DisableKeyAsync(TestKms.KeyName, TestKms.Cancellation);
            await kms.EnableKeyAsync(TestKms.KeyName, TestKms.Cancellation);
            var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
            await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation);
        }

        using (var kms = _test.Open(TestKms.QuickSeal(Secret + "!"), loggers: log))
            texts.Add((await Assert.ThrowsAsync<KmsException>(() => kms.OpenAsync(TestKms.Cancellation))).ToString());
        texts.Add(Assert.Throws<ArgumentException>(() => LocalKmsSeal.Passphrase(Secret + "\ud800")).ToString());
        using (var kms = _test.Open(seal, loggers: log))
            await kms.OpenAsync(TestKms.Cancellation);

        Assert.Equal(
            ["KmsCreated", "KekCreated", "KekRotated", "KekDisabled", "KekEnabled", "KeyWrapped", "KeyUnwrapped", "KmsOpened"],
            log.Events.Select(e => e.Id.Name));
        Assert.All(log.Events, e => Assert.InRange(e.Id.Id, 2000, 2099));
        texts.AddRange(log.Events.Select(e => e.Text));
        Assert.All(texts, text => Assert.DoesNotContain(Secret, text));
    }

    private sealed class RecordingLoggerFactory : ILoggerFactory, ILogger
    {
        public List<(EventId Id, string Text)> Events { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            => Events.Add((eventId, $"{formatter(state, exception)} {state} {exception}"));
    }
}
