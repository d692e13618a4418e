namespace Policyd.Tests.Repository;

/// <summary>
/// The usings of a file stand in the order of their names, those of System first, as .editorconfig has it. A build does not look at their
/// order, and <c>dotnet format style</c> takes minutes for it.
/// </summary>
public sealed class UsingsSpecs
{
    [Fact]
    public void Usings_of_each_file_are_in_order()
    {
        var files = SourceLines.OfTheRepository().GroupBy(static one => one.Place[..one.Place.LastIndexOf(':')], static one => one.Line);
        Assert.Empty(files.Where(static file => !InOrder(file)).Select(static file => file.Key));
    }

    [Theory]
    [InlineData("using System; using System.Net; using Akka; using Akka.Actor; using AkkaX; using static Akka.A; using A = System;", true)]
    [InlineData("using Akka.Actor; using var a = A();", true)]
    [InlineData("using Akka.Actor; using Akka;", false)]
    [InlineData("using AkkaX; using Akka.Actor;", false)]
    [InlineData("using Akka; using System;", false)]
    [InlineData("using static Akka.A; using Akka;", false)]
    [InlineData("using A = System.B; using static Akka.A;", false)]
    public void What_a_file_is_held_to(string usings, bool inOrder) =>
        Assert.Equal(inOrder, InOrder(usings.Split("; ").Select(static one => one.TrimEnd(';') + ";")));

    private static bool InOrder(IEnumerable<string> lines)
    {
        var usings = lines.Where(static line => line.StartsWith("using ", StringComparison.Ordinal) && line.EndsWith(';'))
            .Where(static line => !line.StartsWith("using var ", StringComparison.Ordinal)).ToList();
        return usings.SequenceEqual(usings.OrderBy(static line => Key(line), StringComparer.OrdinalIgnoreCase));
    }

    // A dot comes before all that a name may have.
    private static string Key(string line)
    {
        var name = line["using ".Length..^1];
        var kind = name.Contains('=', StringComparison.Ordinal) ? 3
            : name.StartsWith("static ", StringComparison.Ordinal) ? 2
            : name == "System" || name.StartsWith("System.", StringComparison.Ordinal) ? 0 : 1;
        return $"{kind}{name.Replace('.', '\0')}";
    }
}
