using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Policyd.Configuration.Options;

namespace Policyd.Engine.Model;

/// <summary>The options of <c>otlp { }</c>: the collector to which metrics and traces are sent, by OTLP over HTTP.</summary>
public sealed class OtlpOptions
{
    /// <summary>The shortest interval.</summary>
    public static readonly TimeSpan ShortestInterval = TimeSpan.FromSeconds(1);

    /// <summary>The longest interval.</summary>
    public static readonly TimeSpan LongestInterval = TimeSpan.FromHours(1);

    /// <summary>The collector.</summary>
    [Description("the URL of the collector, such as http://127.0.0.1:4318; metrics go to its /v1/metrics and traces to its /v1/traces")]
    [SecretInUrl]
    public required string Endpoint { get; set; }

    /// <summary>How often metrics are sent.</summary>
    [Description("how often metrics are sent")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The part of the requests of which a trace is sent.</summary>
    [Description("the part of the requests of which a trace is sent: from 0, none, to 1, all"), Range(0.0, 1.0)]
    public double Traces { get; set; }

    /// <summary>Where one kind of data goes; only after <see cref="Check"/>.</summary>
    /// <param name="path">Its path at the collector.</param>
    public Uri UrlOf(string path) => new($"{Endpoint.TrimEnd('/')}/{path}");

    /// <summary>Says what is wrong, and with which option; null when nothing is.</summary>
    public (string Option, string Message)? Check()
    {
        if (!Uri.TryCreate(Endpoint, UriKind.Absolute, out var url)
            || (url.Scheme != Uri.UriSchemeHttp && url.Scheme != Uri.UriSchemeHttps) || url.Query.Length > 0 || url.Fragment.Length > 0)
        {
            return ("endpoint", "expected http://HOST:PORT or https://HOST:PORT");
        }

        return Interval < ShortestInterval || Interval > LongestInterval ? ("interval", "must be from 1s to 1h") : null;
    }
}
