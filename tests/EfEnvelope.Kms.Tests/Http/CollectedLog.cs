using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Tests.Http;

/// <summary>Keeps what is logged, all levels.</summary>
internal sealed class CollectedLog : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(int Id, string Text)> _entries = new();

    public string Text => string.Join('\n', _entries.Select(e => $"{e.Id} {e.Text}"));

    public int Count(int eventId) => _entries.Count(e => e.Id == eventId);

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        => _entries.Enqueue((eventId.Id, $"{formatter(state, exception)} {exception}"));

    public void Dispose()
    {
    }
}
