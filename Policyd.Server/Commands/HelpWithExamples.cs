using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Policyd.Server.Commands;

/// <summary>The generated help, followed by examples: most readers of a help text look for a line to copy.</summary>
internal sealed class HelpWithExamples(HelpAction help, string examples) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var code = help.Invoke(parseResult);
        parseResult.InvocationConfiguration.Output.WriteLine($"Examples:\n{examples}");
        return code;
    }
}
