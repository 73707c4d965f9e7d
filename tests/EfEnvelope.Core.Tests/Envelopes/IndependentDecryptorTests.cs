using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>What this library writes, a program that shares no code with it reads.</summary>
public class IndependentDecryptorTests
{
    private const string Script = "decrypt_envelope.py";

    [Fact]
    public async Task Every_envelope_opens_in_an_implementation_made_from_the_format_alone()
    {
        var python = await RequirePythonAsync();
        List<(JsonObject Request, string Plaintext)> cases = [];
        foreach (var number in new[] { 1, 2, 0x01020304, int.MaxValue })
        {
            var bytes = RandomNumberGenerator.GetBytes(32);
            using var key = TestRings.Key("default", number, bytes);
            AddScalars(cases, key, Convert.ToHexStringLower(bytes));
            for (var size = 0; size <= 5000; size += size < 70 ? 1 : 493)
            {
                Add(cases, key, Convert.ToHexStringLower(bytes), "Scans.Image", RandomNumberGenerator.GetBytes(size));
                Add(cases, key, Convert.ToHexStringLower(bytes), "Пациенты.Имя", new string('é', size / 2) + new string('x', size % 2));
            }
        }

        var answers = await RunAsync(python, cases.Select(c => c.Request));

        Assert.Equal(cases.Count, answers.Count);
        for (var i = 0; i < cases.Count; i++)
            Assert.Equal(cases[i].Plaintext, (string?)answers[i]["plaintext"]);
    }

    [Fact]
    public async Task Independent_implementation_agrees_on_every_vector_and_failure_class()
    {
        var python = await RequirePythonAsync();

        // It knows no ring, so it cannot miss a version in one.
        var vectors = EnvelopeVectors.All.Where(v => v.Expected != "unknown-key-version").ToList();
        var answers = await RunAsync(python, vectors.Select(v => Request(v.Key, v.Field, v.Type, v.Envelope)));

        Assert.Equal(vectors.Select(v => v.Expected), answers.Select(a => (string?)a["plaintext"] ?? (string?)a["error"]));
    }

    [Fact]
    public async Task Independent_implementation_derives_the_same_commitments()
    {
        var python = await RequirePythonAsync();
        List<JsonObject> requests = [];
        List<string> expected = [];
        foreach (var (scope, number) in new[] { ("default", 1), ("clinic/eu-1", 2), ("t", int.MaxValue) })
        {
            var bytes = RandomNumberGenerator.GetBytes(32);
            using var key = TestRings.Key(scope, number, bytes);
            expected.Add(Convert.ToHexStringLower(key.DeriveCommitment()));
            requests.Add(new JsonObject { ["op"] = "commitment", ["key"] = Convert.ToHexStringLower(bytes), ["number"] = number, ["scope"] = scope });
        }

        Assert.Equal(expected, (await RunAsync(python, requests)).Select(a => (string?)a["commitment"]));
    }

    private static void AddScalars(List<(JsonObject Request, string Plaintext)> cases, DataKey key, string hex)
    {
        var random = RandomNumberGenerator.GetBytes(16);
        var whole = BitConverter.ToInt64(random);
        Add(cases, key, hex, "t.c", (whole & 1) == 0);
        Add(cases, key, hex, "t.c", (sbyte)whole);
        Add(cases, key, hex, "t.c", (byte)whole);
        Add(cases, key, hex, "t.c", (short)whole);
        Add(cases, key, hex, "t.c", (ushort)whole);
        Add(cases, key, hex, "t.c", (int)whole);
        Add(cases, key, hex, "t.c", (uint)whole);
        Add(cases, key, hex, "t.c", whole);
        Add(cases, key, hex, "t.c", (ulong)whole);
        Add(cases, key, hex, "t.c", (float)whole);
        Add(cases, key, hex, "t.c", (double)whole);
        Add(cases, key, hex, "t.c", (decimal)whole / 100);
        Add(cases, key, hex, "t.c", (char)whole);
        Add(cases, key, hex, "t.c", new Guid(random));
        Add(cases, key, hex, "t.c", new DateTime(Math.Abs(whole) % DateTime.MaxValue.Ticks, DateTimeKind.Utc));
        Add(cases, key, hex, "t.c", new DateTimeOffset(2026, 1, 31, 12, 0, 0, TimeSpan.FromMinutes(-330)));
        Add(cases, key, hex, "t.c", DateOnly.FromDayNumber((int)(Math.Abs(whole) % 3_652_059)));
        Add(cases, key, hex, "t.c", new TimeOnly(Math.Abs(whole) % TimeSpan.TicksPerDay));
        Add(cases, key, hex, "t.c", new TimeSpan(whole));
        Add(cases, key, hex, "t.c", (DayOfWeek)(whole & 0xFF));
        Add(cases, key, hex, "t.c", new List<string?> { "a", null, "ü𝔊" });
        Add(cases, key, hex, "t.c", new[] { double.NaN, whole });
    }

    private static void Add<T>(List<(JsonObject Request, string Plaintext)> cases, DataKey key, string hex, string field, T value)
    {
        var codec = PlaintextCodec<T>.Default;
        foreach (var algorithm in EnvelopeVectors.Ciphers)
        {
            var envelope = Convert.ToHexStringLower(TestRings.Encrypt(key, field, value, algorithm));
            cases.Add((Request(hex, field, codec.Type, envelope), Convert.ToHexStringLower(codec.GetBytes(value))));
        }
    }

    private static JsonObject Request(string key, string field, string type, string envelope)
        => new() { ["key"] = key, ["context"] = new JsonObject { ["field"] = field, ["type"] = type }, ["envelope"] = envelope };

    internal static async Task<string> RequirePythonAsync(string script = Script)
    {
        Assert.SkipUnless(File.Exists(Path.Combine(AppContext.BaseDirectory, script)), $"'{script}' does not lie beside the tests.");
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

    internal static async Task<List<JsonNode>> RunAsync(string python, IEnumerable<JsonObject> requests, string script = Script)
    {
        var input = string.Concat(requests.Select(r => r.ToJsonString() + "\n"));
        var (exitCode, output, errors) = await StartAsync(python, [Path.Combine(AppContext.BaseDirectory, script)], input);
        Assert.True(exitCode == 0, errors);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];
    }

    private static async Task<(int ExitCode, string Output, string Errors)> StartAsync(string program, string[] arguments, string input)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                StandardInputEncoding = new UTF8Encoding(false),
            })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await errors);
    }
}
