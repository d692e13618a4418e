using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using Policyd.Bench.Load;

namespace Policyd.Bench.Commands;

/// <summary>The options of a load, the same for `load` and, but for its end and its rate, for `compare`.</summary>
internal sealed class LoadArguments
{
    private const int MaxConnections = 60_000;

    private readonly Option<int> _connections = Number(
        "--connections", "Connections, each with one request in flight.", 64, 1, MaxConnections);
    private readonly Option<double> _seconds;
    private readonly Option<long?> _requests = new("--requests") { Description = "End after so many requests instead of after --seconds." };
    private readonly Option<double?> _rate = new("--rate")
    {
        Description =
            "Send so many requests a second, each at its time whether or not the others are answered; a latency counts from that time. "
                + "Default: each connection sends the next with the answer.",
    };

    private readonly Option<double> _warmup;
    private readonly Option<int> _keys = Number(
        "--keys", "Distinct clients: client_address, client_name, sender, sasl_username.", 1000, 1, RequestTemplate.MaxKeys);
    private readonly Option<KeyOrder> _keyOrder = new("--key-order")
    {
        Description = "How the next key is chosen.",
        DefaultValueFactory = _ => KeyOrder.Uniform,
    };
    private readonly Option<int> _seed = Number("--seed", "Seed of the keys' order.", 1, int.MinValue, int.MaxValue);
    private readonly Option<int> _recipients = Number(
        "--recipients", "Requests of one instance; 1 is a new instance for each request.", 1, 1, int.MaxValue);
    private readonly Option<string[]> _attributes = new("--attribute")
    {
        Description =
            "Set or add an attribute, name=value; repeatable. In the value %k is the key's number, %a the key as an address, %i the "
                + "request's number, %r the recipient's, %m the instance, %% a percent sign.",
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string?> _expect = new("--expect") { Description = "What every action begins with; others count as errors." };
    private readonly Option<double> _timeout = Seconds("--timeout", "Seconds that an answer may take.", 10, 0.001);

    private readonly bool _single;

    /// <param name="single">True for one run, which may end by a number of requests and have a rate.</param>
    public LoadArguments(double seconds, double warmup, bool single)
    {
        _single = single;
        _seconds = Seconds("--seconds", "Length of the measured time.", seconds, 0.001);
        _warmup = Seconds("--warmup", "Seconds of load before it, not counted.", warmup, 0);
        _requests.Validators.Add(result => Check(result, result.GetValueOrDefault<long?>() is null or >= 1, "at least 1"));
        _rate.Validators.Add(
            result => Check(result, result.GetValueOrDefault<double?>() is null or (>= 0.001 and <= 1_000_000), "from 0.001 to 1000000"));
        _attributes.Validators.Add(ValidateAttributes);
    }

    public static Option<int> Number(string name, string description, int value, int least, int most)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result => Check(
            result, result.GetValueOrDefault<int>() is var given && given >= least && given <= most, $"from {least} to {most}"));
        return option;
    }

    public static Option<long> Count(string name, string description, long value)
    {
        var option = new Option<long>(name) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result => Check(result, result.GetValueOrDefault<long>() >= 1, "at least 1"));
        return option;
    }

    public static Option<double> Seconds(string name, string description, double value, double least)
    {
        var option = new Option<double>(name) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result => Check(
            result,
            result.GetValueOrDefault<double>() is var given && given >= least && given <= TimeSpan.FromDays(7).TotalSeconds,
            $"at least {least.ToString(CultureInfo.InvariantCulture)}"));
        return option;
    }

    public void AddTo(Command command)
    {
        Option[] ofSingle = _single ? [_requests, _rate] : [];
        foreach (var option in (Option[])[
            _connections, _seconds, .. ofSingle, _warmup, _keys, _keyOrder, _seed, _recipients, _attributes, _expect, _timeout
        ])
        {
            command.Options.Add(option);
        }
    }

    public LoadOptions Read(ParseResult result, EndPoint endpoint)
    {
        var requests = _single ? result.GetValue(_requests) : null;
        return new LoadOptions
        {
            Endpoint = endpoint,
            Connections = result.GetValue(_connections),
            Duration = requests is null ? TimeSpan.FromSeconds(result.GetValue(_seconds)) : null,
            Requests = requests,
            Rate = _single ? result.GetValue(_rate) : null,
            Warmup = TimeSpan.FromSeconds(result.GetValue(_warmup)),
            Keys = result.GetValue(_keys),
            KeyOrder = result.GetValue(_keyOrder),
            Seed = result.GetValue(_seed),
            RecipientsPerInstance = result.GetValue(_recipients),
            Attributes = [.. result.GetValue(_attributes)!.Select(Split)],
            Expect = result.GetValue(_expect),
            Timeout = TimeSpan.FromSeconds(result.GetValue(_timeout)),
        };
    }

    private static void Check(OptionResult result, bool holds, string range)
    {
        if (!holds)
        {
            result.AddError($"{result.Option.Name} is {range}.");
        }
    }

    private static void ValidateAttributes(OptionResult result)
    {
        try
        {
            _ = RequestTemplate.Compile(result.GetValueOrDefault<string[]>().Select(Split), epoch: 0);
        }
        catch (FormatException reason)
        {
            result.AddError($"--attribute: {reason.Message}");
        }
    }

    private static KeyValuePair<string, string> Split(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? throw new FormatException($"'{text}' is not name=value.") : new(text[..equals], text[(equals + 1)..]);
    }
}
