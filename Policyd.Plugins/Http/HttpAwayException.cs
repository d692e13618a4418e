namespace Policyd.Plugins.Http;

/// <summary>
/// The HTTP server cannot be reached, does not answer in time, or is known not to. What was asked of it may come to pass all the same.
/// </summary>
public sealed class HttpAwayException : HttpRequestException
{
    /// <summary>Nothing is known.</summary>
    public HttpAwayException()
    {
    }

    /// <summary>Why.</summary>
    /// <param name="message">For operators, without secrets.</param>
    public HttpAwayException(string message)
        : base(message)
    {
    }

    /// <summary>Why.</summary>
    /// <param name="message">For operators, without secrets.</param>
    /// <param name="innerException">The cause.</param>
    public HttpAwayException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
