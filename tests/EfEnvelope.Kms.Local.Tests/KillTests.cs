using System.Diagnostics;
using System.Security.Cryptography;

namespace EfEnvelope.Kms.Local;

/// <summary>Nodes that are killed while they create, rotate, import, change the seal and delete.</summary>
public abstract class KillTests(TestStore store) : StoreTests(store), IDisposable
{
    private const int Rounds = 9;
    private const int NodesPerRound = 3;

    private static readonly EncryptionContext Context = new([new("process", "churn")]);

    private readonly string _folder = Directory.CreateTempSubdirectory("efenvelope-kill-").FullName;
    private readonly Dictionary<string, int> _versions = [];
    private readonly List<(string Key, WrappedKeyCopy Wrapped)> _wrapped = [];
    private readonly HashSet<string> _scheduled = [];
    private int _sealChanges;

    void IDisposable.Dispose()
    {
        Dispose();
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Every_key_opens_what_it_wrapped_after_its_process_was_killed_at_any_point()
    {
        string[] keyFiles = [Path.Combine(_folder, "a.key"), Path.Combine(_folder, "b.key")];
        var seals = keyFiles.Select(LocalKmsSeal.CreateKeyFile).ToArray();
        for (var round = 0; round < Rounds; round++)
        {
            var nodes = Enumerable.Range(0, NodesPerRound).Select(i => Start(keyFiles, imports: i == 0)).ToArray();
            try
            {
                foreach (var node in nodes)
                    Assert.Equal("ready", await node.StandardOutput.ReadLineAsync(Cancellation));
                var journals = nodes.Select((_, i) => new Journal(RandomNumberGenerator.GetInt32(1, 24), untilImported: i == 0 && round % 4 == 1)).ToArray();
                var readings = nodes.Select((node, i) => Task.Run(() => journals[i].ReadAsync(node.StandardOutput))).ToArray();
                foreach (var node in nodes)
                    node.StandardInput.WriteLine("go");
                await Task.WhenAll(nodes.Select(async (node, i) =>
                {
                    // Some while they open the store, most in the midst of their work.
                    var opening = round % 4 == 0;
                    if (!opening)
                        await journals[i].LongEnough.WaitAsync(Cancellation);
                    await Task.Delay(RandomNumberGenerator.GetInt32(opening ? 1500 : 30), Cancellation);
                    Assert.False(node.HasExited, "A node ended by itself: " + (node.HasExited ? await node.StandardError.ReadToEndAsync(Cancellation) : ""));
                    node.Kill();
                }));
                await Task.WhenAll(readings);
                foreach (var journal in journals)
                    Note(journal.Lines);
            }
            finally
            {
                foreach (var node in nodes)
                {
                    if (!node.HasExited)
                        node.Kill();
                    node.Dispose();
                }
            }

            await CheckAsync(seals);
        }

        Assert.True(_wrapped.Count >= Rounds * NodesPerRound, $"only {_wrapped.Count} keys were wrapped");
        Assert.Contains(_versions, v => v.Key.StartsWith("brought-", StringComparison.Ordinal));
        Assert.True(_sealChanges > 0);
    }

    private void Note(List<string> journal)
    {
        foreach (var line in journal)
        {
            var words = line.Split(' ', 3);
            switch (words[0])
            {
                case "created":
                    _versions[words[1]] = int.Parse(words[2]);
                    break;
                case "scheduled":
                    _scheduled.Add(words[1]);
                    break;
                case "wrapped" when words.Length == 3 && words[2].EndsWith(']'):
                    _wrapped.Add((words[1], Assert.Single(WrappedKey.Parse(words[2]).Copies)));
                    break;
                case "seal":
                    _sealChanges++;
                    break;
            }
        }
    }

    private async Task CheckAsync(LocalKmsSeal[] seals)
    {
        using var kms = await OpenAsync(seals);
        var keys = (await kms.ListKeysAsync(Cancellation)).ToDictionary(k => k.Name);

        // What was said to be done is there, and nothing is half there, said or not.
        foreach (var (name, version) in _versions)
            Assert.InRange(keys[name].PrimaryVersion, version, 2);
        foreach (var key in keys.Values)
        {
            Assert.Equal(Enumerable.Range(1, key.PrimaryVersion), key.Versions.Select(v => v.Version));
            Assert.Equal(key.State == LocalKmsKeyState.PendingDeletion, key.DeletionAt is not null);
            if (key.State != LocalKmsKeyState.Enabled)
                Assert.True(_scheduled.Contains(key.Name) || key.State == LocalKmsKeyState.PendingDeletion, $"{key.Name} is {key.State}");
            if (key.State == LocalKmsKeyState.PendingDeletion)
                await kms.CancelKeyDeletionAsync(key.Name, Cancellation);
            await kms.EnableKeyAsync(key.Name, Cancellation);
            var plain = TestKms.NewKey();
            Assert.Equal(plain, await kms.UnwrapAsync(await kms.WrapAsync(key.Name, plain, Context, Cancellation), Context, Cancellation));
        }

        foreach (var (plain, wrapped) in _wrapped)
            Assert.Equal(plain, Convert.ToHexString(await kms.UnwrapAsync(wrapped, Context, Cancellation)));
        Assert.NotEmpty(await kms.ListSealsAsync(Cancellation));
    }

    private async Task<LocalKms> OpenAsync(LocalKmsSeal[] seals)
    {
        var kms = Store.Open(seals[0]);
        try
        {
            await kms.CreateAsync(Cancellation);
            return kms;
        }
        catch (KmsException e) when (e.Kind == KmsErrorKind.Unauthenticated)
        {
            kms.Dispose();
            kms = Store.Open(seals[1]);
            await kms.OpenAsync(Cancellation);
            return kms;
        }
    }

    private Process Start(string[] keyFiles, bool imports)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "EfEnvelope.Kms.Local.TestProcess.dll");
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,

            // They live too short a time for code that is compiled twice.
            Environment = { ["DOTNET_TieredPGO"] = "0" },
        };
        foreach (var argument in new[] { program, "churn", Store.Address, keyFiles[0], keyFiles[1], imports ? "imports" : "" })
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>What a node said it has done, and whether that is enough to kill it.</summary>
    private sealed class Journal(int enough, bool untilImported)
    {
        private bool _imported;
        private readonly TaskCompletionSource _longEnough = new();

        public List<string> Lines { get; } = [];

        public Task LongEnough => _longEnough.Task;

        public async Task ReadAsync(StreamReader output)
        {
            while (await output.ReadLineAsync(CancellationToken.None) is { } line)
            {
                Lines.Add(line);
                _imported |= line.StartsWith("created brought-", StringComparison.Ordinal);
                if (Lines.Count >= enough && (_imported || !untilImported))
                    _longEnough.TrySetResult();
            }

            _longEnough.TrySetResult();
        }
    }
}

public sealed class SqliteKillTests() : KillTests(new SqliteTestStore());

public sealed class PostgresKillTests() : KillTests(new PostgresTestStore());
