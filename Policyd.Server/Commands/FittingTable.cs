// A table for people that fits the screen: what a reader needs least is left out, and what is shown is shown whole. A key that is cut is no
// key that can be copied into the next command, and a number that is cut is another number.

using Policyd.Server.Logging;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Policyd.Server.Commands;

/// <summary>A column of a table.</summary>
/// <param name="Header">Its heading, of one or more lines.</param>
/// <param name="Rank">How much a reader needs it, 0 the most. Columns of rank 0 are never left out.</param>
/// <param name="IsNumber">Numbers stand at the right.</param>
internal sealed record FittingColumn(string Header, int Rank, bool IsNumber = false);

internal static class FittingTable
{
    /// <summary>Writes a table; a line below it names the columns that the screen had no room for.</summary>
    public static void Write(IAnsiConsole console, IReadOnlyList<FittingColumn> columns, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        List<int> shown = [.. Enumerable.Range(0, columns.Count)];
        var width = console.Profile.Width;
        var table = Make(columns, rows, shown);
        while (WidthOf(console, table) > width && shown.MaxBy(index => columns[index].Rank) is var least && columns[least].Rank > 0)
        {
            shown.Remove(least);
            table = Make(columns, rows, shown);
        }

        // What must be shown may be wider than the screen: the terminal breaks such a line, and a copy of it is whole.
        console.Profile.Width = Math.Max(width, WidthOf(console, table));
        console.Write(table);
        console.Profile.Width = width;
        var leftOut = Enumerable.Range(0, columns.Count).Except(shown).Select(index => OneLine(columns[index].Header)).ToList();
        if (leftOut.Count > 0)
        {
            console.Write(new Text($"no room for {string.Join(", ", leftOut)}; use a wider screen, a pipe or --json to see all columns\n"));
        }
    }

    private static Table Make(IReadOnlyList<FittingColumn> columns, IReadOnlyList<IReadOnlyList<string>> rows, List<int> shown)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in shown.Select(index => columns[index]))
        {
            var header = string.Join('\n', column.Header.Split('\n').Select(LogText.OneLine));
            var made = new TableColumn(new Text(header, new Style(decoration: Decoration.Bold))).NoWrap();
            table.AddColumn(column.IsNumber ? made.RightAligned() : made);
        }

        foreach (var row in rows)
        {
            table.AddRow(shown.Select(index => new Text(LogText.OneLine(row[index]))));
        }

        return table;
    }

    private static int WidthOf(IAnsiConsole console, IRenderable table)
    {
        const int Boundless = 100_000;
        return table.Measure(
            RenderOptions.Create(console, console.Profile.Capabilities) with { ConsoleSize = new Size(Boundless, 1) }, Boundless).Max;
    }

    private static string OneLine(string header) => LogText.OneLine(header.Replace('\n', ' '));
}
