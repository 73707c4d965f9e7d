using System.Diagnostics;

namespace EfEnvelope.Kms.Local;

public sealed class ProcessTests : IDisposable
{
    private const int KeysPerProcess = 12;

    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Two_processes_on_one_new_file_end_with_one_key_and_open_what_the_other_wrapped()
    {
        using var first = Start();
        using var second = Start();
        try
        {
            foreach (var process in new[] { first, second })
                Assert.Equal("ready", await process.StandardOutput.ReadLineAsync(TestKms.Cancellation));
            Assert.False(File.Exists(_test.File));
            first.StandardInput.WriteLine("go");
            second.StandardInput.WriteLine("go");

            var outputs = await Task.WhenAll(FinishAsync(first), FinishAsync(second));

            using var kms = _test.Open(LocalKmsSeal.Passphrase(TestKms.Passphrase));
            var kek = Assert.Single(await kms.ListKeysAsync(TestKms.Cancellation));
            var rotations = 2 * (KeysPerProcess / 5);
            Assert.Equal(1 + rotations, kek.PrimaryVersion);
            Assert.Equal(Enumerable.Range(1, 1 + rotations), kek.Versions.Select(v => v.Version));
            var report = await kms.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation);
            Assert.True(report.IsIntact, report.Fault);

            // Each wrapped and unwrapped its keys and rotated; the first finds no KEK when it creates it, but records that too.
            Assert.True(report.Events >= (2 * 2 * KeysPerProcess) + rotations + 2, $"{report.Events}");
            foreach (var lines in outputs)
            {
                Assert.Equal(KeysPerProcess, lines.Length);
                foreach (var line in lines)
                {
                    var (key, stored) = (line[..64], line[65..]);
                    var copy = Assert.Single(WrappedKey.Parse(stored).Copies);
                    var context = new EncryptionContext([new("process", "two")]);
                    Assert.Equal(key, Convert.ToHexString(await kms.UnwrapAsync(copy, context, TestKms.Cancellation)));
                }
            }
        }
        finally
        {
            foreach (var process in new[] { first, second })
            {
                if (!process.HasExited)
                    process.Kill();
            }
        }
    }

    private static async Task<string[]> FinishAsync(Process process)
    {
        var error = process.StandardError.ReadToEndAsync(TestKms.Cancellation);
        var output = await process.StandardOutput.ReadToEndAsync(TestKms.Cancellation);
        await process.WaitForExitAsync(TestKms.Cancellation);
        Assert.True(process.ExitCode == 0, await error);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    private Process Start()
    {
        var program = Path.Combine(AppContext.BaseDirectory, "EfEnvelope.Kms.Local.TestProcess.dll");
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in new[] { program, _test.File, TestKms.Passphrase, TestKms.KeyName, $"{KeysPerProcess}" })
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}
