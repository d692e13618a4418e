using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Metrics;
using Policyd.Plugins.Sources;

namespace Policyd.Plugins.Http;

/// <summary>
/// One HTTP server as a plugin's client asks it. Each answer is read to its end here, within its time and its size: one whose beginning is
/// quick and whose end never comes is no answer. A server that is away is left alone for a pause, and then asked by one request.
/// </summary>
internal sealed class HttpSource : DelegatingHandler
{
    private const string Kind = "http";

    // A request that is given up sooner tells nothing of the server: its mail had no time.
    private static readonly TimeSpan s_shortestWait = TimeSpan.FromMilliseconds(250);

    private readonly string _name;
    private readonly TimeSpan _most;
    private readonly int _mostBytes;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly BackOff _backOff;
    private readonly SourceLog _log;

    public HttpSource(string name, TimeSpan most, int mostBytes, TimeProvider clock, ILogger logger, HttpMessageHandler inner)
        : base(inner)
    {
        (_name, _most, _mostBytes, _clock, _logger) = (name, most, mostBytes, clock, logger);
        _backOff = new BackOff(clock);
        _log = new SourceLog($"http {name}", clock);
    }

    /// <summary>
    /// Whether an answer says that the server cannot answer now, whatever was asked. Any other is an answer: else a stranger's mail that
    /// the server fails on would take it from all others.
    /// </summary>
    public static bool IsAway(HttpStatusCode status) => status is HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway
        or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
        throw new NotSupportedException("this would hold the thread until the server answers; use SendAsync");

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var attempt = _backOff.Enter();
        if (attempt.IsRefused)
        {
            _log.Away(_logger, null);
            SourceMetrics.Suppressed(Kind, _name);
            SourceMetrics.Failed(Kind, _name);
            throw new HttpAwayException($"{_name} is unavailable");
        }

        var (since, asked) = (_clock.GetTimestamp(), Stopwatch.GetTimestamp());
        using var limit = new CancellationTokenSource(_most, _clock);
        using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        HttpResponseMessage? response = null;
        try
        {
            response = await base.SendAsync(request, time.Token).ConfigureAwait(false);
            await response.Content.LoadIntoBufferAsync(_mostBytes, time.Token).ConfigureAwait(false);
            Answered(attempt, response.StatusCode, asked);
            return response;
        }
        catch (Exception exception)
        {
            response?.Dispose();
            SourceMetrics.Failed(Kind, _name);
            var waited = Longer(_clock.GetElapsedTime(since), Stopwatch.GetElapsedTime(asked));
            if (WhyAway(exception, time.IsCancellationRequested, waited) is { } why)
            {
                attempt.Failed();
                _log.Away(_logger, why);
                cancellationToken.ThrowIfCancellationRequested();
                throw new HttpAwayException($"{_name}: {why}", exception);
            }

            if (response is not null && IsTooLarge(exception))
            {
                attempt.Succeeded();
                throw new HttpRequestException(
                    HttpRequestError.ConfigurationLimitExceeded,
                    string.Create(CultureInfo.InvariantCulture, $"{_name}: the answer is larger than {_mostBytes} bytes"),
                    exception);
            }

            throw;
        }
    }

    // A test's clock stands while a socket waits, and runs ahead of one.
    private static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;

    private static bool IsTooLarge(Exception exception) =>
        exception is HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded };

    // Null: it says nothing of the server. What it is called is for the log, and has no address of the request.
    private static string? WhyAway(Exception exception, bool isLate, TimeSpan waited) => exception switch
    {
        OperationCanceledException when isLate => waited < s_shortestWait ? null : Waited.TimedOut(waited),
        OperationCanceledException => null,
        HttpRequestException when isLate => Waited.TimedOut(waited),
        HttpRequestException when IsTooLarge(exception) => null,
        HttpRequestException { HttpRequestError: not HttpRequestError.NameResolutionError, InnerException: { } cause } => cause.Message,
        HttpRequestException or IOException => exception.Message,
        _ => null,
    };

    private void Answered(BackOff.Attempt attempt, HttpStatusCode status, long asked)
    {
        if (IsAway(status))
        {
            attempt.Failed();
            _log.Away(_logger, string.Create(CultureInfo.InvariantCulture, $"answered {(int)status}"));
            SourceMetrics.Failed(Kind, _name);
            return;
        }

        attempt.Succeeded();
        _log.Back(_logger);
        SourceMetrics.Answered(Kind, _name, asked);
    }
}
