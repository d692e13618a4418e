using System.Globalization;
using Policyd.Protocol;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Commands;

/// <summary>Requests as a person or a script writes them: attributes as <c>name=value</c>, an empty line behind each request.</summary>
internal static class RequestInput
{
    /// <summary>The attributes of the next request, or null at the end of the input. Empty lines before a request mean nothing.</summary>
    /// <exception cref="CommandException">A line is no attribute.</exception>
    public static async Task<List<(string Name, string Value)>?> ReadAsync(TextReader input, CancellationToken cancellationToken)
    {
        var attributes = new List<(string Name, string Value)>();
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length == 0)
            {
                if (attributes.Count > 0)
                {
                    break;
                }

                continue;
            }

            attributes.Add(Parse(line));
        }

        return attributes.Count == 0 ? null : Completed(attributes);
    }

    /// <summary>The request of a command line.</summary>
    /// <exception cref="CommandException">A word is no attribute.</exception>
    public static List<(string Name, string Value)> Of(IEnumerable<string> words) => Completed([.. words.Select(Parse)]);

    /// <summary>As Postfix sends it.</summary>
    public static PolicyRequestBuilder Builder(IEnumerable<(string Name, string Value)> attributes)
    {
        var builder = new PolicyRequestBuilder();
        foreach (var (name, value) in attributes)
        {
            builder.Add(name, value);
        }

        return builder;
    }

    private static (string Name, string Value) Parse(string line)
    {
        var equals = line.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && !line.AsSpan().ContainsAny('\0', '\n')
            ? (line[..equals], line[(equals + 1)..])
            : throw new CommandException(ExitCode.DataError, $"not an attribute of the form name=value: {line}");
    }

    private static List<(string Name, string Value)> Completed(List<(string Name, string Value)> attributes)
    {
        if (!attributes.Exists(static attribute => attribute.Name == "instance"))
        {
            attributes.Insert(0, ("instance", Random.Shared.NextDouble().ToString("0.###############", CultureInfo.InvariantCulture)));
        }

        if (!attributes.Exists(static attribute => attribute.Name == "request"))
        {
            attributes.Insert(0, ("request", "smtpd_access_policy"));
        }

        return attributes;
    }
}
