using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Rotation;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>Re-encrypts as an operator does it: a job is planned, stored, and run to its end, the passes that prove that nothing is left included.</summary>
internal sealed class Reencryptor(CustomerDatabase customers, Engine engine) : IAsyncDisposable
{
    private readonly EncryptedDatabase _database = EncryptedDatabase.Open(customers.Options(engine));

    public async Task<JobInfo> EnqueueAsync(Throttle throttle, int? batchSize = null)
        => await _database.Jobs.EnqueueAsync(
            await _database.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Customers", Throttle = throttle, BatchSize = batchSize }));

    public async Task<JobInfo> RunAsync(long jobId, int workers) => (await _database.Jobs.RunAsync([jobId], new RunOptions { Workers = workers }))[0];

    /// <summary>Re-encrypts every row.</summary>
    public async Task RunAsync(Throttle throttle, int workers, int? batchSize = null)
    {
        var job = await RunAsync((await EnqueueAsync(throttle, batchSize)).Id, workers);
        CustomerDatabase.Require(
            (job.State, job.RowsWritten, job.RowsRefused) == (JobState.Completed, customers.Rows, 0),
            $"the job is {job.State} after {job.RowsWritten} rows ({job.Reason})");
    }

    /// <summary>Ends a job, if it has not ended by itself.</summary>
    /// <returns>How many rows it had written.</returns>
    public async Task<long> EndAsync(long jobId)
    {
        try
        {
            return (await _database.Jobs.CancelAsync(jobId))!.RowsWritten;
        }
        catch (OperationRefusedException)
        {
            return (await _database.Jobs.GetAsync(jobId)).RowsWritten;
        }
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();
}
