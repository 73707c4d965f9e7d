using System.Runtime.InteropServices;
using System.Text;

namespace EfEnvelope.Cli;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        using var stop = new CancellationTokenSource();

        // The first signal stops after the present batch; the second ends the process as ever.
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await ToolApp.RunAsync(args, ToolHost.OfProcess(), stop.Token).ConfigureAwait(false);
    }
}
