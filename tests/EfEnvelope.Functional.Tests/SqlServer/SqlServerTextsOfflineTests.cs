using System.Collections.Concurrent;
using System.Reflection;
using EfEnvelope.Functional.TestUtilities;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>
/// Every test of SQL Server, run against a server that only parses: no text that Microsoft's parser refuses is sent to it, neither by the
/// product nor by
/// the tests themselves, and no value that an identity column or the length of a column refuses. Whether the server would carry it out is
/// not known by
/// that. Of each theory four cases are run, or all with EFENVELOPE_LONG=1.
/// </summary>
public sealed class SqlServerTextsOfflineTests
{
    // How long a test goes on that waits for what never comes. Most have sent all that they can in a fraction of it.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private static int RowsOfTheory => Environment.GetEnvironmentVariable("EFENVELOPE_LONG") == "1" ? int.MaxValue : 4;

    public static TheoryData<string> Classes =>
        [.. typeof(SqlServerTextsOfflineTests).Assembly.GetTypes()
            .Where(t => t is { IsClass: true, IsAbstract: false, IsPublic: true } && t.Name.StartsWith("SqlServer", StringComparison.Ordinal))
            .Where(t => t.GetMethods().Any(m => m.IsDefined(typeof(FactAttribute))) && !t.Name.Contains("Offline", StringComparison.Ordinal))
            .Select(t => t.FullName!)];

    [Theory]
    [MemberData(nameof(Classes))]
    public async Task Each_text_is_of_the_language_of_SQL_Server(string name)
    {
        Assert.SkipWhen(await SqlServerTestDatabase.ExistsAsync(), "There is a SQL Server, which the tests themselves use.");
        var type = Type.GetType(name)!;
        var faults = new ConcurrentDictionary<string, string?>(StringComparer.Ordinal);
        var tests = new List<(MethodInfo Method, object?[] Arguments)>();
        foreach (var method in type.GetMethods().Where(m => m.IsDefined(typeof(FactAttribute))))
            tests.AddRange((await ArgumentsAsync(type, method)).Take(RowsOfTheory).Select(arguments => (method, arguments)));
        await Parallel.ForEachAsync(
            tests, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (test, _) => await RunAsync(type, test.Method, test.Arguments, faults));

        var found = faults.Where(f => f.Value is not null).Select(f => $"{f.Value}\n{f.Key}").ToList();
        Assert.True(found.Count == 0, string.Join("\n\n", found));
    }

    private static async Task<IReadOnlyList<object?[]>> ArgumentsAsync(Type type, MethodInfo method)
    {
        if (!method.IsDefined(typeof(TheoryAttribute)))
            return [[]];
        var rows = new List<object?[]>();
        await using var disposals = new DisposalTracker();
        foreach (var data in method.GetCustomAttributes().OfType<DataAttribute>())
        {
            data.GetType().GetProperty("MemberType")?.SetValue(data, data.GetType().GetProperty("MemberType")!.GetValue(data) ?? type);
            rows.AddRange((await data.GetData(method, disposals)).Select(r => r.GetData()));
        }

        return rows;
    }

    // What comes of the test is of no interest: it gets no answers.
    private static async Task RunAsync(Type type, MethodInfo method, object?[] arguments, ConcurrentDictionary<string, string?> faults)
    {
        ParsedSqlServer.Current = new ParsedSqlServer(faults);
        try
        {
            var run = Task.Run(async () =>
            {
                var fixture = FixtureOf(type);
                var test = Activator.CreateInstance(type, fixture is null ? [] : [fixture])!;
                try
                {
                    if (fixture is IAsyncLifetime shared)
                        await shared.InitializeAsync();
                    if (test is IAsyncLifetime own)
                        await own.InitializeAsync();
                    if (method.Invoke(test, arguments) is Task task)
                        await task;
                }
                finally
                {
                    if (test is IAsyncDisposable asynchronous)
                        await asynchronous.DisposeAsync();
                    else
                        (test as IDisposable)?.Dispose();
                }
            });
            await run.WaitAsync(Patience);
        }
        catch (Exception)
        {
        }
    }

    [Fact]
    public async Task A_text_of_another_language_and_a_value_for_an_identity_column_are_found()
    {
        var faults = new ConcurrentDictionary<string, string?>(StringComparer.Ordinal);
        await using var connection = new ParsedSqlServerConnection(new ParsedSqlServer(faults));
        foreach (var text in (string[])
            ["ALTER TABLE t ADD COLUMN w int", "CREATE TABLE t (id int IDENTITY, v varchar(3))", "INSERT INTO t (id) VALUES (1)", "INSERT INTO t (v) VALUES ('long')", "INSERT INTO t (v) VALUES ('abc')"])
        {
            await using var command = connection.CreateCommand();
            command.CommandText = text;
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        Assert.Equal(5, faults.Count);
        Assert.Equal(
            ["ALTER TABLE t ADD COLUMN w int", "INSERT INTO t (id) VALUES (1)", "INSERT INTO t (v) VALUES ('long')"],
            faults.Where(f => f.Value is not null).Select(f => f.Key).Order(StringComparer.Ordinal));
    }

    private static object? FixtureOf(Type type)
        => type.GetConstructors()[0].GetParameters() is [var parameter] ? Activator.CreateInstance(parameter.ParameterType) : null;
}
