using EfEnvelope.TestProcess;

// The first argument says what the process is; without one of these it writes rows.
await (args[0] switch
{
    "history-writer" => HistoryProcess.RunAsync(args[1], kms => new HistoryWriter(kms)),
    "history-reader" => HistoryProcess.RunAsync(args[1], kms => new HistoryReader(kms)),
    "history-worker" => HistoryProcess.RunAsync(args[1], kms => new HistoryWorker(kms)),
    "starved" => StarvedProcess.RunAsync(args),
    _ => RowProcess.RunAsync(args),
});
