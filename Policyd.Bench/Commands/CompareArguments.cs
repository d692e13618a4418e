using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using Policyd.Bench.Compare;
using Policyd.Bench.Databases;
using Policyd.Bench.Load;

namespace Policyd.Bench.Commands;

/// <summary>The options of `compare` that say what is measured and for how long.</summary>
internal sealed class CompareArguments
{
    private const string All = "all";
    private const string UsualStages = "rates,slow,idle";
    private const int MostRounds = 1000;
    private const int MostConnections = 60_000;

    private static readonly CompareOptions Usual = new()
    {
        Stages = Stage.None,
        Load = new() { Endpoint = new IPEndPoint(IPAddress.Loopback, 0) },
    };

    private readonly LoadArguments _load = new(Usual.Window.TotalSeconds, Usual.LeadIn.TotalSeconds, single: false);
    private readonly Option<Stage> _stages = new("--stages")
    {
        Description = $"What is measured: a list of {Known}, or {All}. Default: {UsualStages}.",
        CustomParser = ParseStages,
        DefaultValueFactory = _ => Stage.Rates | Stage.Slow | Stage.Idle,
    };

    private readonly Option<int> _rounds = LoadArguments.Number(
        "--rounds", "rates: windows of each server; slow takes at most three.", Usual.Rounds, 1, MostRounds);
    private readonly Option<int> _warmupWindows = LoadArguments.Number(
        "--warmup-windows",
        "rates, slow: the most windows of a second that a server warms up for; it ends before when three rates lie within 3 %.",
        Usual.WarmupWindows,
        1,
        MostRounds);

    private readonly Option<double> _slowSeconds = LoadArguments.Seconds(
        "--slow-seconds", "slow: length of a window at 100 and at 1000 requests a second.", Usual.SlowWindow.TotalSeconds, 0.1);
    private readonly Option<double> _idleSeconds = LoadArguments.Seconds(
        "--idle-seconds", "idle: length of the measured time.", Usual.IdleTime.TotalSeconds, 0.1);
    private readonly Option<double> _idleSettling = LoadArguments.Seconds(
        "--idle-settling", "idle, connections: seconds before the memory of an idle server counts.", Usual.IdleSettling.TotalSeconds, 0);
    private readonly Option<int> _starts = LoadArguments.Number("--starts", "start: starts of each server.", Usual.Starts, 1, MostRounds);
    private readonly Option<double> _startSeconds = LoadArguments.Seconds(
        "--start-seconds", "start: seconds of load from the first answer on.", Usual.StartTime.TotalSeconds, 0.5);
    private readonly Option<int> _idleConnections = LoadArguments.Number(
        "--idle-connections", "connections: how many.", Usual.IdleConnections, 1, MostConnections);
    private readonly Option<long> _mails = LoadArguments.Count("--mails", "memory: mails to ask for, each one request.", Usual.Mails);
    private readonly Option<int> _manyKeys = LoadArguments.Number(
        "--many-keys", "keys: how many, against the usual --keys.", Usual.ManyKeys, 2, RequestTemplate.MaxKeys);
    private readonly Option<double> _manyKeysFirst = LoadArguments.Seconds(
        "--many-keys-seconds", "keys: length of the first seconds with them.", Usual.ManyKeysFirst.TotalSeconds, 0.1);
    private readonly Option<int> _owners = LoadArguments.Number(
        "--owners", "owners: keys that are held in memory; the server lets idle ones go after a minute.", Usual.Owners, 2, 1_000_000);
    private readonly Option<int> _nodes = LoadArguments.Number(
        "--nodes", "cluster: nodes, on one database; one is asked, another owns the keys.", Usual.Nodes, 2, 16);
    private readonly Option<int> _pacedRate = LoadArguments.Number(
        "--paced-rate", "cluster: requests a second of the windows that compare latencies.", Usual.PacedRate, 1, 1_000_000);
    private readonly Option<bool> _tls = new("--tls") { Description = "cluster: the nodes speak TLS with each other." };
    private readonly Option<DatabaseKind> _database = DatabaseArgument.Create();
    private readonly Option<double> _memorySeconds = LoadArguments.Seconds(
        "--memory-seconds", "memory: the longest time, however many mails that is.", Usual.MemoryLimit.TotalSeconds, 1);

    private static string Known =>
        string.Join(", ", Enum.GetValues<Stage>().Where(stage => stage != Stage.None).Select(stage => stage.ToString().ToLowerInvariant()));

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[
            _stages, _rounds, _warmupWindows, _slowSeconds, _idleSeconds, _idleSettling, _starts, _startSeconds, _idleConnections, _mails,
            _memorySeconds, _manyKeys, _manyKeysFirst, _owners, _nodes, _pacedRate, _tls, _database
        ])
        {
            command.Options.Add(option);
        }

        _load.AddTo(command);
    }

    public CompareOptions Read(ParseResult result)
    {
        // End points are each server's own.
        var load = _load.Read(result, Usual.Load.Endpoint);
        TimeSpan Time(Option<double> option) => TimeSpan.FromSeconds(result.GetValue(option));
        return new CompareOptions
        {
            Stages = result.GetValue(_stages),
            Load = load,
            Window = load.Duration!.Value,
            LeadIn = load.Warmup,
            Rounds = result.GetValue(_rounds),
            WarmupWindows = result.GetValue(_warmupWindows),
            SlowWindow = Time(_slowSeconds),
            IdleTime = Time(_idleSeconds),
            IdleSettling = Time(_idleSettling),
            Starts = result.GetValue(_starts),
            StartTime = Time(_startSeconds),
            IdleConnections = result.GetValue(_idleConnections),
            Mails = result.GetValue(_mails),
            MemoryLimit = Time(_memorySeconds),
            ManyKeys = result.GetValue(_manyKeys),
            ManyKeysFirst = Time(_manyKeysFirst),
            Owners = result.GetValue(_owners),
            Nodes = result.GetValue(_nodes),
            PacedRate = result.GetValue(_pacedRate),
            Tls = result.GetValue(_tls),
            Database = result.GetValue(_database),
        };
    }

    private static Stage ParseStages(ArgumentResult result)
    {
        var stages = Stage.None;
        foreach (var word in result.Tokens[0].Value.Split(','))
        {
            var name = word.Trim();
            if (name == All)
            {
                stages |= Enum.GetValues<Stage>().Aggregate((one, other) => one | other);
            }
            else if (name.All(char.IsAsciiLetter) && Enum.TryParse<Stage>(name, ignoreCase: true, out var stage) && stage != Stage.None)
            {
                stages |= stage;
            }
            else
            {
                result.AddError($"'{name}' is no stage: known are {Known}, or {All}.");
                return Stage.None;
            }
        }

        return stages;
    }
}
