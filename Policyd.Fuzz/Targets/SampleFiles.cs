namespace Policyd.Fuzz.Targets;

/// <summary>The sample files in this assembly, and mutations of files that are made of pages.</summary>
internal static class SampleFiles
{
    public static byte[] Read(string name)
    {
        using var stream = typeof(SampleFiles).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException(
            $"the sample {name} is not in the assembly");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Changes bytes near the begin of pages: to any value, to a small one, or to that of another place.</summary>
    public static void ShapePages(byte[] input, Random random, int pageSize, int headBytes)
    {
        for (var changes = random.Next(4); changes > 0 && input.Length > pageSize; changes--)
        {
            var at = (random.Next(input.Length / pageSize) * pageSize) + random.Next(headBytes);
            input[at] = random.Next(3) switch
            {
                0 => (byte)random.Next(256),
                1 => (byte)random.Next(8),
                _ => input[random.Next(input.Length)],
            };
        }
    }
}
