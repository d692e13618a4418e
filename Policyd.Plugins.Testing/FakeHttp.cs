using System.Collections.Concurrent;
using System.Net;
using System.Text;

namespace Policyd.Plugins.Testing;

/// <summary>HTTP servers that answer what a test says, for clients of <c>setup.Http</c>; any other request is answered 404.</summary>
public sealed class FakeHttp
{
    private readonly ConcurrentQueue<string> _asked = new();
    private Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> _answer =
        static (_, _) => Task.FromResult(new HttpResponseMessage(HttpStatusCode.NotFound));

    /// <summary>Whether no server can be reached.</summary>
    public bool IsAway { get; set; }

    /// <summary>What was asked, in its order: the method and the URL.</summary>
    public IReadOnlyList<string> Asked => [.. _asked];

    internal HttpMessageHandler Handler => new Network(this);

    /// <summary>Says what is answered.</summary>
    /// <param name="answer">From the request to the text of a 200; null is a 404.</param>
    public void Answer(Func<HttpRequestMessage, string?> answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        Answer((request, _) => Task.FromResult(answer(request) is { } text
            ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(text, Encoding.UTF8) }
            : new HttpResponseMessage(HttpStatusCode.NotFound)));
    }

    /// <summary>Answers every request itself.</summary>
    /// <param name="answer">From the request to its answer.</param>
    public void Answer(Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer) => _answer = answer;

    private sealed class Network(FakeHttp fake) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            fake._asked.Enqueue($"{request.Method} {request.RequestUri}");
            return fake.IsAway ? throw new HttpRequestException("the test's server is away") : fake._answer(request, cancellationToken);
        }
    }
}
