using System.CommandLine;

namespace Policyd.Server.Commands;

/// <summary>How the verbs name a counter: its table, its key, and the connection where several have a table of the name.</summary>
internal sealed class CounterArguments
{
    public Argument<string> Table { get; } = new("TABLE")
    {
        Description = "The counter table (acct_client_address), or the attribute it counts by (client_address)."
    };

    public Argument<string> Key { get; } = new("KEY") { Description = "What is counted: an address, a user." };

    public Option<string?> Db { get; } = new("--db")
    {
        Description = "The SQL connection, if several have a table of this name.",
        HelpName = "NAME",
    };
}
