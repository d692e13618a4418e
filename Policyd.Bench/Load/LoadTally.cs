using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Policyd.Bench.Load;

/// <summary>What the generator has counted so far: answers, latencies, errors by kind.</summary>
internal sealed class LoadTally
{
    private const int ShownBytes = 200;
    private const double NanosecondsPerSecond = 1e9;

    private readonly LatencyHistogram _latencies = new();

    public LoadErrors Errors { get; private set; } = new();

    public string? FirstWrongAnswer { get; private set; }

    /// <summary>Answers of the measured time.</summary>
    public long Answers => _latencies.Count;

    /// <summary>What the server was asked, the warm-up included.</summary>
    public AskedMails Asked { get; private set; } = new(0, 0, 0);

    public LatencySummary Latencies => LatencySummary.Of(_latencies);

    public void Begun(bool isFirstOfItsMail) =>
        Asked = Asked with { Requests = Asked.Requests + 1, Mails = Asked.Mails + (isFirstOfItsMail ? 1 : 0) };

    public void Accepted() => Asked = Asked with { Accepted = Asked.Accepted + 1 };

    public void Answered(long begun, long now) => _latencies.Record((long)((now - begun) * (NanosecondsPerSecond / Stopwatch.Frequency)));

    public void Closed() => Errors = Errors with { Closed = Errors.Closed + 1 };

    public void TimedOut() => Errors = Errors with { TimedOut = Errors.TimedOut + 1 };

    public void Refused() => Errors = Errors with { Refused = Errors.Refused + 1 };

    public void Unsent(long requests) => Errors = Errors with { Unsent = Errors.Unsent + requests };

    public void Malformed(ReadOnlySpan<byte> answer)
    {
        Errors = Errors with { Malformed = Errors.Malformed + 1 };
        FirstWrongAnswer ??= Show(answer);
    }

    public void Unexpected(ReadOnlySpan<byte> action)
    {
        Errors = Errors with { Unexpected = Errors.Unexpected + 1 };
        FirstWrongAnswer ??= Show(action);
    }

    /// <summary>Forgets the latencies of the warm-up. Its errors stay: a server that fails only while it is cold fails.</summary>
    public void ForgetLatencies() => _latencies.Clear();

    private static string Show(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        foreach (var letter in Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, ShownBytes)]))
        {
            _ = char.IsControl(letter) ? text.Append(CultureInfo.InvariantCulture, $"\\x{(int)letter:x2}") : text.Append(letter);
        }

        return text.ToString();
    }
}
