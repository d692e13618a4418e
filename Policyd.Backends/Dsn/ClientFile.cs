using Policyd.Configuration.Sources;

namespace Policyd.Backends.Dsn;

/// <summary>The files in which client libraries of databases keep settings: MySQL's option files and libpq's service files.</summary>
internal static class ClientFile
{
    /// <summary>The lines that say something, without the white space around them.</summary>
    /// <param name="kind">What the message calls the file.</param>
    /// <param name="file">Its path.</param>
    /// <param name="comments">The characters that begin a comment at the start of a line.</param>
    /// <exception cref="FormatException">It cannot be read.</exception>
    public static IEnumerable<string> Lines(string kind, string file, params char[] comments)
    {
        if (file.Contains('\0', StringComparison.Ordinal))
        {
            throw new FormatException($"the name of the {kind} holds a NUL character");
        }

        try
        {
            RegularFile.Demand(file);
            return [.. File.ReadAllLines(file)
                .Select(static line => line.Trim())
                .Where(line => line.Length > 0 && !comments.Contains(line[0]))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FormatException($"the {kind} {file} cannot be read: {e.Message}", e);
        }
    }
}
