namespace Policyd.Backends.LookupFiles;

/// <summary>
/// Takes an LMDB file into memory as one commit left it, while Postfix may write to it: it does so in place. A commit overwrites no page of
/// the one before it, and names the new root in a meta page as its last write. So what was read is whole when both metas are afterwards
/// what they were before.
/// </summary>
internal static class LmdbSnapshot
{
    /// <summary>
    /// How often it is read at most. A map is read in a fraction of the time that its writer takes from one commit to the next.
    /// </summary>
    public const int Tries = 5;

    /// <summary>The file's bytes; null when it is not an LMDB file.</summary>
    /// <param name="file">The file, seekable and without a buffer of its own.</param>
    /// <param name="longest">How many bytes are taken at most.</param>
    /// <exception cref="InvalidDataException">It cannot be read, is too long, or was written to each time that it was read.</exception>
    public static byte[]? Take(Stream file, long longest)
    {
        for (var tries = 0; tries < Tries; tries++)
        {
            if (Metas(file) is not { } before)
            {
                return null;
            }

            var length = file.Length;   // Postfix only ever lets it grow, so what the metas name is in it
            var bytes = new byte[length <= longest
                ? length
                : throw new InvalidDataException($"it is larger than {longest / 1024 / 1024} MiB")];
            if (ReadAt(file, 0, bytes) == length
                && Metas(file) is { } after
                && before.First.SequenceEqual(after.First)
                && before.Second.SequenceEqual(after.Second))
            {
                return bytes;
            }
        }

        throw new InvalidDataException($"it changed during each of {Tries} attempts to read it");
    }

    private static (byte[] First, byte[] Second)? Metas(Stream file)
    {
        var first = new byte[LmdbFile.HeadLength];
        ReadAt(file, 0, first);
        if (!LmdbFile.IsOne(first))
        {
            return null;
        }

        var second = new byte[LmdbFile.HeadLength];
        ReadAt(file, LmdbFile.Metas(first).Second.Start.Value, second);
        return (first, second);
    }

    private static int ReadAt(Stream file, long place, byte[] into)
    {
        file.Position = place;
        return file.ReadAtLeast(into, into.Length, throwOnEndOfStream: false);
    }
}
