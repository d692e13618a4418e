using System.Text;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

/// <summary>Writes a tree as HOCON for people, comments included; or as JSON, for a program.</summary>
public static class HoconWriter
{
    private const int MaxLine = 110;

    /// <summary>The tree as HOCON. Reading it gives the same tree.</summary>
    /// <param name="root">The tree.</param>
    public static string Write(ConfigObject root)
    {
        var text = new StringBuilder();
        WriteMembers(text, root, 0);
        return text.ToString();
    }

    /// <summary>The tree as JSON on one line, numbers as they were written.</summary>
    /// <param name="node">The tree.</param>
    public static string WriteJson(ConfigNode node)
    {
        var text = new StringBuilder();
        WriteJson(text, node);
        return text.ToString();
    }

    private static void WriteMembers(StringBuilder text, ConfigObject source, int indent)
    {
        foreach (var member in source.Members)
        {
            WriteComments(text, member.Value.Comments, indent, isFirst: ReferenceEquals(member, source.Members[0]));
            text.Append(' ', indent).Append(HoconQuoting.Key(member.Key)).Append(member.Value is ConfigObject ? " " : " = ");
            WriteValue(text, member.Value, indent);
            text.Append('\n');
        }

        WriteComments(text, source.ClosingComments, indent);
    }

    private static void WriteValue(StringBuilder text, ConfigNode node, int indent)
    {
        if (OnOneLine(node) is { } line && (node is ConfigScalar || ColumnOf(text) + line.Length <= MaxLine))
        {
            text.Append(line);
            if (node.InlineComment is { } behind)
            {
                text.Append("  ").Append(behind);
            }

            return;
        }

        text.Append(node is ConfigArray ? '[' : '{');
        if (node.InlineComment is { } comment)
        {
            text.Append("  ").Append(comment);
        }

        text.Append('\n');
        if (node is ConfigObject inner)
        {
            WriteMembers(text, inner, indent + 2);
        }
        else
        {
            WriteItems(text, (ConfigArray)node, indent + 2);
        }

        text.Append(' ', indent).Append(node is ConfigArray ? ']' : '}');
    }

    private static int ColumnOf(StringBuilder text)
    {
        var start = text.Length;
        while (start > 0 && text.Length - start <= MaxLine && text[start - 1] != '\n')
        {
            start--;
        }

        return text.Length - start;
    }

    private static void WriteItems(StringBuilder text, ConfigArray array, int indent)
    {
        foreach (var item in array.Items)
        {
            WriteComments(text, item.Comments, indent, isFirst: ReferenceEquals(item, array.Items[0]));
            text.Append(' ', indent);
            WriteValue(text, item, indent);
            text.Append('\n');
        }

        WriteComments(text, array.ClosingComments, indent);
    }

    private static void WriteComments(StringBuilder text, IReadOnlyList<string> comments, int indent, bool isFirst = false)
    {
        foreach (var comment in isFirst ? comments.SkipWhile(static comment => comment.Length == 0) : comments)
        {
            if (comment.Length > 0)
            {
                text.Append(' ', indent).Append(comment);
            }

            text.Append('\n');
        }
    }

    // Null when the value needs several lines: comments inside, or arrays and objects within each other.
    private static string? OnOneLine(ConfigNode node)
    {
        switch (node)
        {
            case ConfigScalar scalar:
                return HoconQuoting.Scalar(scalar);
            case ConfigArray { ClosingComments.Count: 0 } array when array.Items.All(IsBare):
                return $"[{string.Join(", ", array.Items.Select(item => HoconQuoting.Scalar((ConfigScalar)item)))}]";
            case ConfigObject { ClosingComments.Count: 0 } inner when inner.Members.All(member => IsBare(member.Value)):
                return inner.Members.Count == 0
                    ? "{ }"
                    : $"{{ {string.Join(", ", inner.Members.Select(OneLine))} }}";
            default:
                return null;
        }
    }

    private static string OneLine(ConfigMember member) =>
        $"{HoconQuoting.Key(member.Key)} = {HoconQuoting.Scalar((ConfigScalar)member.Value)}";

    private static bool IsBare(ConfigNode node) =>
        node is ConfigScalar { Comments.Count: 0, InlineComment: null } scalar && !scalar.Text.Contains('\n');

    private static void WriteJson(StringBuilder text, ConfigNode node)
    {
        switch (node)
        {
            case ConfigScalar scalar:
                text.Append(scalar.Kind switch
                {
                    ScalarKind.String => HoconQuoting.Quoted(scalar.Text),
                    ScalarKind.Null => "null",
                    _ => scalar.Text,
                });
                break;
            case ConfigArray array:
                WriteJson(text, '[', array.Items, static (text, item) => WriteJson(text, item), ']');
                break;
            case ConfigObject source:
                WriteJson(
                    text,
                    '{',
                    source.Members,
                    static (text, member) => WriteJson(text.Append(HoconQuoting.Quoted(member.Key)).Append(':'), member.Value),
                    '}');
                break;
        }
    }

    private static void WriteJson<T>(StringBuilder text, char open, IReadOnlyList<T> items, Action<StringBuilder, T> write, char close)
    {
        text.Append(open);
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0)
            {
                text.Append(',');
            }

            write(text, items[i]);
        }

        text.Append(close);
    }
}
