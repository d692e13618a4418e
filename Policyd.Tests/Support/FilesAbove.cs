namespace Policyd.Tests.Support;

/// <summary>Files that are not copied beside the tests: those of the repository, and the test data that stands beside it.</summary>
internal static class FilesAbove
{
    /// <summary>The nearest file or folder of this path above the tests' own; null when there is none.</summary>
    public static string? Find(string relativePath)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, relativePath);
            if (Path.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }

    /// <summary>A file or folder of the repository.</summary>
    public static string OfTheRepository(string relativePath) =>
        Find(relativePath) ?? throw new InvalidOperationException($"{relativePath} is not above the tests' folder");
}
