using System.Diagnostics;
using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>Shows one request to a KMS as an activity and a measurement.</summary>
internal static class KmsTelemetry
{
    public static Call Start(KekUri kek, KmsOperation operation) => new(kek, operation);

    internal sealed class Call : IDisposable
    {
        private readonly string _kms;
        private readonly string _operation;
        private readonly Activity? _activity;
        private readonly long _started = Stopwatch.GetTimestamp();
        private string? _error;

        public Call(KekUri kek, KmsOperation operation)
        {
            (_kms, _operation) = (kek.Scheme, operation.ToString().ToLowerInvariant());
            _activity = EnvelopeTelemetry.Activities.StartActivity($"kms {_operation}", ActivityKind.Client);
            _activity?.SetTag("efenvelope.kek", kek.ToString());
        }

        public void Fail(string error)
        {
            _error = error;
            _activity?.SetStatus(ActivityStatusCode.Error, error);
            _activity?.SetTag("error.type", error);
        }

        public void Dispose()
        {
            var tags = new TagList { { "kms", _kms }, { "operation", _operation } };
            if (_error is not null)
                tags.Add("error", _error);
            EnvelopeTelemetry.KmsDuration.Record(Stopwatch.GetElapsedTime(_started).TotalSeconds, tags);
            _activity?.Dispose();
        }
    }
}
