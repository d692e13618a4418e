using System.Globalization;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Commands;

/// <summary>A report as lines for people.</summary>
internal static class FuzzReportText
{
    private const int MostShown = 256;

    public static string Head => $"{"target",-18} {"executions",11} {"accepted",11} {"rejected",11} {"seconds",8} {"slowest ms",11} "
        + $"{"allocation",11}";

    public static string FileOf(FuzzReport report, string folder) =>
        Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{report.Target}-{report.Seed}-{report.Failure!.Kind}.bin"));

    public static string Of(FuzzReport report, string folder)
    {
        var line = string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Target,-18} {report.Executions,11} {report.Accepted,11} {report.Rejected,11} {report.Took.TotalSeconds,8:0.0} "
                + $"{report.Slowest.TotalMilliseconds,11:0.0} {report.LargestShare,11:0 %}");
        if (report.Failure is not { } failure)
        {
            return line;
        }

        var file = FileOf(report, folder);
        var shown = report.Input.Length <= MostShown ? $" = {Convert.ToHexString(report.Input)}" : "";
        return $"""
            {line}
            FAILED: {report.Target}, seed {report.Seed}: {failure.Kind}: {failure.Message}
              input of {report.Input.Length} bytes: {file}{shown}
              replay:  dotnet run -c Release --project Policyd.Fuzz -- replay {report.Target} {file}
            """;
    }
}
