namespace EfEnvelope.Kms.Tests.Node;

public sealed class NodeRunnerTests
{
    [Fact]
    public async Task Script_awaits_requires_its_packages_and_tells_its_exit_code()
    {
        var node = await NodeRunner.RequireAsync("http-signature@1.4.0");

        var good = await node.RunAsync(
            "await new Promise(r => setTimeout(r, 1)); console.log(typeof require('http-signature').sign, process.env.GIVEN);",
            new Dictionary<string, string> { ["GIVEN"] = "given" });
        var bad = await node.RunAsync("throw new Error('no luck');");

        Assert.Equal(new NodeResult(0, "function given\n", ""), good);
        Assert.Equal(1, bad.ExitCode);
        Assert.Contains("no luck", bad.Error);
    }

    [Fact]
    public async Task Package_that_cannot_be_had_is_said_with_the_reason()
    {
        await NodeRunner.RequireAsync("http-signature@1.4.0");

        var (runner, reason) = await NodeRunner.TryPrepareAsync("file:./there-is-no-such-package");

        Assert.Null(runner);
        Assert.Contains("npm could not install file:./there-is-no-such-package", reason);
    }

    [Fact]
    public async Task Script_that_does_not_end_is_ended()
    {
        var node = await NodeRunner.RequireAsync("http-signature@1.4.0");

        var e = await Assert.ThrowsAsync<InvalidOperationException>(
            () => node.RunAsync("await new Promise(r => setTimeout(r, 100000));", limit: TimeSpan.FromMilliseconds(500)));

        Assert.Contains("did not end", e.Message);
    }
}
