using System.Globalization;
using System.Text;

namespace Policyd.Bench.Compare;

/// <summary>A comparison as a Markdown table to paste into a page: medians, and behind each the range of its windows.</summary>
public static class FigureTable
{
    private const int RatioDecimals = 2;

    public static string Show(string label, ComparisonResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var (figures, pairs) = (result.Figures, result.Pairs);
        var servers = result.Servers.Select(server => server.Name).ToArray();
        var text = new StringBuilder();
        void Row(string name, IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells.Prepend(name)).AppendLine(" |");
        Row(label, [.. servers, .. pairs.Select(pair => pair.ToString())]);
        text.Append("|---|").Insert(text.Length, "---:|", servers.Length + pairs.Count).AppendLine();
        foreach (var figure in figures.All)
        {
            var stage = figure.Stage.ToString().ToLowerInvariant();
            var values = servers.Select(server => Cell(figures.Values(figure, server), figure.Decimals));
            var ratios = pairs.Select(pair => Cell(figures.Ratios(figure, pair), RatioDecimals));
            Row($"{stage}: {figure.Name}", [.. values, .. ratios]);
        }

        return text.ToString();
    }

    private static string Cell(IReadOnlyList<double> values, int decimals)
    {
        if (values.Count == 0)
        {
            return string.Empty;
        }

        var spread = Spread.Of(values);
        string Number(double value) => value.ToString("N" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        return values.Count == 1 ? Number(spread.Median) : $"{Number(spread.Median)} ({Number(spread.Min)}–{Number(spread.Max)})";
    }
}
