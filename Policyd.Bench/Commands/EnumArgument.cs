using System.CommandLine.Parsing;

namespace Policyd.Bench.Commands;

/// <summary>
/// Words of the command line that stand for one of a few things: in lower case, and an unknown one is told what there is.
/// </summary>
internal static class EnumArgument
{
    public static T Parse<T>(ArgumentResult result)
        where T : struct, Enum
    {
        var word = result.Tokens[0].Value;
        var found = Enum.GetValues<T>().Where(value => Word(value) == word).ToArray();
        if (found.Length == 0)
        {
            result.AddError($"'{word}' is none of {string.Join(", ", Enum.GetValues<T>().Select(Word))}.");
        }

        return found.FirstOrDefault();
    }

    public static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
