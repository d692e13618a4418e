namespace Policyd.Protocol;

/// <summary>What is wrong with a request that cannot be read.</summary>
public enum RequestErrorKind
{
    /// <summary>Larger than <see cref="RequestLimits.MaxRequestBytes"/>.</summary>
    TooLarge,

    /// <summary>A line without <c>=</c>.</summary>
    NoEqualSign,

    /// <summary>A line that begins with <c>=</c>.</summary>
    EmptyName,

    /// <summary>A name longer than <see cref="RequestLimits.MaxNameBytes"/>.</summary>
    NameTooLong,

    /// <summary>A NUL byte, which no attribute may hold.</summary>
    Nul,

    /// <summary>An empty line without any attribute before it.</summary>
    Empty,
}

/// <summary>Why a request was refused.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Message">The same for a person. Holds nothing of the request that is not escaped, so it may be logged as it is.</param>
public sealed record RequestError(RequestErrorKind Kind, string Message);
