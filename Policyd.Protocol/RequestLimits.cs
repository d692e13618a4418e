namespace Policyd.Protocol;

/// <summary>What a request may measure. Postfix itself sends some 500 to 1,500 bytes; its protocol names no bound, so we do.</summary>
public sealed record RequestLimits
{
    /// <summary>The bounds that hold when nothing else is configured.</summary>
    public static RequestLimits Default { get; } = new();

    /// <summary>The most bytes of one request, its closing empty line included.</summary>
    public int MaxRequestBytes { get; init; } = 64 * 1024;

    /// <summary>The most bytes of an attribute's name.</summary>
    public int MaxNameBytes { get; init; } = 128;
}
