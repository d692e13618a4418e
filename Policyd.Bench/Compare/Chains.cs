namespace Policyd.Bench.Compare;

/// <summary>The chains that are measured without a configuration file.</summary>
public enum ChainKind
{
    /// <summary>AddScoreHeader alone.</summary>
    Plain,

    /// <summary>Two Quotas and an Accounting of the same two attributes.</summary>
    Counting,
}

/// <summary>Their configurations: {port}, {directory} and {connection} are put in when a server starts.</summary>
public static class Chains
{
    /// <summary>Stands for the options of a connection to a fresh database.</summary>
    public const string Connection = "{connection}";

    /// <summary>What the chain of <see cref="ChainKind.Counting"/> counts by.</summary>
    public static readonly (string First, string Second) CountedBy = ("client_address", "sasl_username");

    // Without the line of each request, whose cost --config measures.
    public const string Plain = """
        policyd {
          listen = ["127.0.0.1:{port}"]
          log_level = 1
          virtual_hosts = [
            { name = bench, port = {port}, plugins = [ { name = score, module = AddScoreHeader } ] }
          ]
        }

        """;

    /// <summary>Counts each mail in the tables of two attributes. The Quotas never refuse.</summary>
    public static string Counting(string first, string second) => $$"""
        policyd {
          listen = ["127.0.0.1:{port}"]
          log_file = "{directory}/policyd.log"
          connections { db { {{Connection}} } }
          virtual_hosts = [
            { name = counting, port = {port}, plugins = [
              { name = QuotaFirst, module = Quota, field = {{first}}, metric = count, threshold = 1000000000, action = "defer limit" }
              { name = QuotaSecond, module = Quota, field = {{second}}, metric = count, threshold = 1000000000, action = "defer limit" }
              { name = Acct, module = Accounting, fields = "{{first}}, {{second}}" }
            ] }
          ]
        }

        """;

    /// <summary>The text for requests as the load makes them.</summary>
    public static string Text(ChainKind kind) => kind == ChainKind.Counting ? Counting(CountedBy.First, CountedBy.Second) : Plain;
}
