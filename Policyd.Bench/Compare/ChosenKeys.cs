using System.Globalization;
using System.Text;
using Policyd.Actors.Counters;
using Policyd.Bench.Load;
using Policyd.Plugins.Counters;

namespace Policyd.Bench.Compare;

/// <summary>Finds the keys of the load whose counters are all on one node of a cluster.</summary>
internal static class ChosenKeys
{
    private const string Connection = "db";

    /// <summary>How many partitions the keys are in.</summary>
    public static int Partitions { get; } = new CounterSettings().Shards;

    /// <summary>Keys of requests that ask only this node, from the first one on.</summary>
    /// <param name="load">The requests, and how many keys.</param>
    /// <param name="places">The node of each partition.</param>
    /// <param name="node">The node.</param>
    /// <exception cref="InvalidOperationException">There are not as many.</exception>
    public static IReadOnlyList<int> On(string node, IReadOnlyList<string> places, LoadOptions load)
    {
        var template = RequestTemplate.Compile(load.Attributes, epoch: 0);
        var buffer = new byte[template.MaxLength];
        var chosen = new List<int>();
        for (var key = 0; key < RequestTemplate.MaxKeys && chosen.Count < load.Keys; key++)
        {
            var request = Encoding.UTF8.GetString(buffer, 0, template.Write(buffer, new RequestNumbers(key, 0, 0, 0, 0)));
            if (new[] { Chains.CountedBy.First, Chains.CountedBy.Second }.All(
                attribute => places[PartitionOf(CounterOf(attribute, ValueOf(attribute, request)))] == node))
            {
                chosen.Add(key);
            }
        }

        return chosen.Count == load.Keys ? chosen
            : throw new InvalidOperationException($"Only {chosen.Count} keys are all of {node}; {load.Keys} are needed.");
    }

    /// <summary>A key of the partition that no request of the load has.</summary>
    public static CounterKey AnyOf(int partition) => Enumerable.Range(0, int.MaxValue)
        .Select(number => CounterOf(Chains.CountedBy.First, string.Create(CultureInfo.InvariantCulture, $"none{number}")))
        .First(key => PartitionOf(key) == partition);

    private static int PartitionOf(CounterKey key) => CounterPartition.Of(key, Partitions);

    private static CounterKey CounterOf(string attribute, string value) => new(Connection, "acct_" + attribute, value);

    private static string ValueOf(string attribute, string request)
    {
        var begin = request.IndexOf($"\n{attribute}=", StringComparison.Ordinal) + attribute.Length + 2;
        return request[begin..request.IndexOf('\n', begin)];
    }
}
