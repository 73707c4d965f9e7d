using System.CommandLine;
using EfEnvelope.Cli.Commands;
using EfEnvelope.Cli.Output;

namespace EfEnvelope.Cli;

/// <summary>The whole tool, callable in a process of somebody else's.</summary>
internal static class ToolApp
{
    public static async Task<int> RunAsync(IReadOnlyList<string> args, ToolHost host, CancellationToken cancellationToken = default)
    {
        try
        {
            var parse = Root.Create(host).Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
            if (parse.Errors.Count > 0)
                return ToolConsole.Report(host, Failure.OfArguments(parse, args));
            var invocation = new InvocationConfiguration
            {
                Output = host.Out,
                Error = host.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await parse.InvokeAsync(invocation, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            return ToolConsole.Report(host, Failure.Of(e, cancellationToken), e);
        }
    }
}
