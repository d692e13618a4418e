namespace Policyd.Bench.Postfix;

/// <summary>What Postfix complains of in its log.</summary>
public static class PostfixMailLog
{
    // A virtual machine whose clocks differ: it says nothing of mail.
    private const string OfTheMachine = "warning: file system clock is ";
    private static readonly string[] WarningSigns = [": warning: ", ": error: ", ": fatal: ", ": panic: "];

    /// <summary>Counts refusals and warnings in the lines of a log.</summary>
    public static (int Refused, int Warnings, string? First) Judge(IEnumerable<string> lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        var (refused, warnings, first) = (0, 0, (string?)null);
        foreach (var line in lines)
        {
            var isRefusal = line.Contains(": reject: ", StringComparison.Ordinal);
            var isWarning = WarningSigns.Any(sign => line.Contains(sign, StringComparison.Ordinal))
                && !line.Contains(OfTheMachine, StringComparison.Ordinal);
            refused += isRefusal ? 1 : 0;
            warnings += isWarning ? 1 : 0;
            first ??= isRefusal || isWarning ? line : null;
        }

        return (refused, warnings, first);
    }
}
