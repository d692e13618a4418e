namespace Policyd.Configuration;

/// <summary>A number of bytes, written as HOCON does: <c>512K</c>, <c>64MiB</c>, <c>10 MB</c>; a bare number is bytes.</summary>
/// <param name="Bytes">The bytes.</param>
public readonly record struct ByteSize(long Bytes) : IOptionValue<ByteSize>
{
    /// <inheritdoc/>
    public static bool TryParse(string text, out ByteSize value, out string? error)
    {
        value = default;
        error = null;
        return long.TryParse(text, out _);
    }
}
