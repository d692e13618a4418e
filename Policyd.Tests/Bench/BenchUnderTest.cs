using System.CommandLine;
using Policyd.Bench.Commands;

namespace Policyd.Tests.Bench;

/// <summary>Policyd.Bench, as its users call it.</summary>
internal static class BenchUnderTest
{
    public static async Task<(int Exit, string Output, string Error)> InvokeAsync(string line)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();

        // The load's thread tells its progress too.
        var configuration = new InvocationConfiguration { Output = output, Error = TextWriter.Synchronized(error) };
        var exit = await BenchCommand.Create().Parse(line).InvokeAsync(configuration, TestContext.Current.CancellationToken);
        return (exit, output.ToString(), error.ToString());
    }
}
