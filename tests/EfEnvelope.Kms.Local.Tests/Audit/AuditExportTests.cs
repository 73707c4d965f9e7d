using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Local.Access;

namespace EfEnvelope.Kms.Local.Audit;

public sealed class AuditExportTests : IAsyncLifetime
{
    private const string Script = "verify_audit.py";

    private readonly SqliteTamperStore _store = new();
    private LocalKms _kms = null!;

    public async ValueTask InitializeAsync()
    {
        _kms = await _store.CreateAsync();
        var odd = new EncryptionContext([new("ü", "𝔊 \"quoted\" \n"), new("Z", ""), new("a", "\0")]);
        await _kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), odd, TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => _kms.RotateKeyAsync("absent-\ud800-\0-ü", TestKms.Cancellation));
        await _store.AppendAsync(300);
    }

    public async ValueTask DisposeAsync()
    {
        _kms.Dispose();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Export_is_verified_by_other_code_with_the_public_key_alone()
    {
        var python = await RequirePythonAsync();
        var (whole, part) = (await ExportAsync(), await ExportAsync(100, 280));

        Assert.Equal("""{"events": 303, "attested": 303}""", await VerifyAsync(python, whole));
        Assert.Equal("""{"events": 181, "attested": 280}""", await VerifyAsync(python, part));
    }

    [Fact]
    public async Task Export_that_was_altered_is_refused_by_other_code()
    {
        var python = await RequirePythonAsync();
        var lines = (await ExportAsync()).TrimEnd('\n').Split('\n');
        Assert.Equal("header", (string?)JsonNode.Parse(lines[0])!["type"]);
        var tenth = Array.FindIndex(lines, l => l.Contains("\"sequence\":10,"));

        Assert.Contains("\"bad\": 10,", await VerifyAsync(python, Join(lines.Select((l, i) => i == tenth ? l.Replace("\"ok\"", "\"denied\"") : l))));
        Assert.Contains("\"bad\": 10,", await VerifyAsync(python, Join(lines.Where((_, i) => i != tenth))));
        Assert.Contains("under no checkpoint", await VerifyAsync(python, Join(lines[..^5])));
        Assert.Contains("signature", await VerifyAsync(python, Join(lines.Select(l => l.Contains("\"checkpoint\"") ? NewTime(l) : l))));

        // Someone else's trail, whole in itself, under this one's public key.
        using var other = new TestKms();
        using var elsewhere = await other.CreateAsync();
        var foreign = new StringWriter();
        await elsewhere.Audit.ExportAsync(foreign, cancellationToken: TestKms.Cancellation);
        Assert.Contains("signature", await VerifyAsync(python, foreign.ToString()));

        static string NewTime(string line)
        {
            var json = JsonNode.Parse(line)!;
            json["time"] = "2030-01-01T00:00:00.000000Z";
            return json.ToJsonString();
        }
    }

    [Fact]
    public async Task Trail_that_was_altered_is_neither_exported_nor_signed()
    {
        await _store.ExecuteAsync("UPDATE kms_audit_events SET principal = 'someone' WHERE sequence = 40");
        var writer = new StringWriter();

        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => _kms.Audit.ExportAsync(writer, cancellationToken: TestKms.Cancellation));

        Assert.Contains("event 40", exception.Message);
        Assert.DoesNotContain("\"checkpoint\"", writer.ToString());
    }

    [Fact]
    public async Task Neither_the_store_nor_the_export_nor_a_message_holds_a_secret()
    {
        var key = TestKms.NewKey();
        var credential = await _kms.Access.CreatePrincipalAsync("app", TestKms.Cancellation);
        var secret = LocalKmsCredential.Parse(credential).Secret.ToArray();
        await _kms.Access.CreateGrantAsync("app", TestKms.KeyName, ["*"], cancellationToken: TestKms.Cancellation);
        var app = _kms.As(LocalKmsCredential.Parse(credential));
        var wrapped = await app.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        await app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation);
        var denied = await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.ListKeysAsync(TestKms.Cancellation));

        var texts = new List<byte[]> { Encoding.UTF8.GetBytes(await ExportAsync() + denied + app) };
        await using (await SqliteFile.OpenAsync(Path.Combine(_store.Folder, "kms.db")))
        {
            foreach (var file in Directory.GetFiles(_store.Folder))
            {
                await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                var bytes = new byte[stream.Length];
                await stream.ReadExactlyAsync(bytes, TestKms.Cancellation);
                texts.Add(bytes);
            }
        }

        Assert.Contains(texts, t => t.AsSpan().IndexOf("create principal app"u8) >= 0);
        foreach (var hidden in new[]
            {
                key[..8], secret[..8], Encoding.UTF8.GetBytes(credential), Encoding.UTF8.GetBytes(credential.Split('.')[1]),
                Encoding.UTF8.GetBytes(Convert.ToHexString(key)[..16]), Encoding.UTF8.GetBytes(Convert.ToHexStringLower(key)[..16]),
                Encoding.UTF8.GetBytes(Convert.ToBase64String(key)[..20]), Encoding.UTF8.GetBytes(TestKms.Passphrase),
            })
        {
            Assert.All(texts, t => Assert.True(t.AsSpan().IndexOf(hidden) < 0));
        }
    }

    private static string Join(IEnumerable<string> lines) => string.Concat(lines.Select(l => l + "\n"));

    private async Task<string> ExportAsync(long from = 1, long? to = 303)
    {
        using var stream = new MemoryStream();
        await _kms.Audit.ExportAsync(stream, from, to, TestKms.Cancellation);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private async Task<string> VerifyAsync(string python, string export)
    {
        var pem = Path.Combine(_store.Folder, "audit.pem");
        await File.WriteAllTextAsync(pem, await _kms.Audit.GetPublicKeyAsync(TestKms.Cancellation), TestKms.Cancellation);
        var (_, output, error) = await StartAsync(python, [Path.Combine(AppContext.BaseDirectory, Script), pem], export);
        Assert.True(output.Length > 0, error);
        return output.Trim();
    }

    private static async Task<string> RequirePythonAsync()
    {
        var python = Environment.GetEnvironmentVariable("EFENVELOPE_PYTHON") is { Length: > 0 } chosen ? chosen : "python3";
        try
        {
            var (exitCode, _, _) = await StartAsync(python, ["-c", "import cryptography"], "");
            Assert.SkipUnless(exitCode == 0, $"'{python}' has no module 'cryptography'. Install it, or name another interpreter in EFENVELOPE_PYTHON.");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"There is no '{python}'. Install Python 3, or name the interpreter in EFENVELOPE_PYTHON.");
        }

        return python;
    }

    private static async Task<(int ExitCode, string Output, string Error)> StartAsync(string program, string[] arguments, string input)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestKms.Cancellation);
        var error = process.StandardError.ReadToEndAsync(TestKms.Cancellation);
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It had read enough.
        }

        await process.WaitForExitAsync(TestKms.Cancellation);
        return (process.ExitCode, await output, await error);
    }
}
