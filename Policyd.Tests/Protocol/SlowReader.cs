using System.Text;

namespace Policyd.Tests.Protocol;

/// <summary>
/// The protocol read the slow and obvious way, straight from its description: text cut at line ends, lines cut at the first '='. It
/// shares nothing with the reader under test, so that both can hardly be wrong in the same way. Latin-1 keeps bytes apart.
/// </summary>
internal static class SlowReader
{
    /// <summary>All requests in the bytes, until the first bad one; a null in the list is a bad one.</summary>
    public static List<Dictionary<string, string>?> ReadAll(byte[] bytes, int maxRequest, int maxName)
    {
        var requests = new List<Dictionary<string, string>?>();
        var start = 0;
        while (EndOfRequest(bytes, start) is { } end)
        {
            var request = end - start > maxRequest ? null : Read(Encoding.Latin1.GetString(bytes, start, end - start), maxName);
            requests.Add(request);
            if (request is null)
            {
                return requests;
            }

            start = end;
        }

        if (bytes.Length - start > maxRequest)
        {
            requests.Add(null);
        }

        return requests;
    }

    private static int? EndOfRequest(byte[] bytes, int start)
    {
        var line = new List<byte>();
        for (var index = start; index < bytes.Length; index++)
        {
            if (bytes[index] != '\n')
            {
                line.Add(bytes[index]);
                continue;
            }

            if (line.Count == 0 || (line.Count == 1 && line[0] == '\r'))
            {
                return index + 1;
            }

            line.Clear();
        }

        return null;
    }

    private static Dictionary<string, string>? Read(string text, int maxName)
    {
        var attributes = new Dictionary<string, string>();
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            return null;
        }

        foreach (var ended in text.Split('\n'))
        {
            var line = ended.EndsWith('\r') ? ended[..^1] : ended;
            if (line.Length == 0)
            {
                break;
            }

            var equal = line.IndexOf('=', StringComparison.Ordinal);
            if (equal <= 0 || equal > maxName)
            {
                return null;
            }

            attributes[line[..equal]] = line[(equal + 1)..];
        }

        return attributes.Count == 0 ? null : attributes;
    }
}
