using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>
/// Logs where the application logs. Key rings outlive contexts, and EF Core knows loggers per context only: what happens to a ring is told to the
/// loggers of the context that came last.
/// </summary>
internal sealed class ContextLoggerFactory : ILoggerFactory
{
    private volatile ILoggerFactory _current = NullLoggerFactory.Instance;

    public void Follow(IDbContextOptions options)
    {
        var core = options.FindExtension<CoreOptionsExtension>();
        if ((core?.LoggerFactory ?? core?.ApplicationServiceProvider?.GetService<ILoggerFactory>()) is { } factory)
            _current = factory;
    }

    public ILogger CreateLogger(string categoryName) => new ContextLogger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private sealed class ContextLogger(ContextLoggerFactory owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => Find()?.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => Find()?.IsEnabled(logLevel) ?? false;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            => Find()?.Log(logLevel, eventId, state, exception, formatter);

        private ILogger? Find()
        {
            try
            {
                return owner._current.CreateLogger(category);
            }
            catch (ObjectDisposedException)
            {
                // The host that logged is gone; keys are still in use by another.
                return null;
            }
        }
    }
}
