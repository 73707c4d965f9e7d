using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Tests.Http;

/// <summary>Keeps all that is logged, as text.</summary>
public sealed class LogText : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<string> _lines = new();

    public override string ToString() => string.Join('\n', _lines);

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void Dispose()
    {
    }

    public bool IsEnabled(LogLevel logLevel) => true;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        => _lines.Enqueue($"{eventId.Id} {formatter(state, exception)} {exception}");
}
