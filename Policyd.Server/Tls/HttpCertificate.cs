using System.Net.Security;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Certificates;
using Policyd.Engine.Model;

namespace Policyd.Server.Tls;

/// <summary>
/// The certificate as its files have it. They are read when a client connects, at most every ten seconds, so a renewed certificate is taken
/// without a restart. Files that do not fit each other, as in the middle of a renewal, leave the former one in use.
/// </summary>
internal sealed partial class HttpCertificate
{
    private readonly HttpTlsOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private CertificateFiles _files;
    private SslServerAuthenticationOptions _current;
    private long _looked;

    /// <exception cref="HttpCertificateException">The files cannot be used.</exception>
    public HttpCertificate(HttpTlsOptions options, TimeProvider clock, ILogger logger)
    {
        (_options, _clock, _logger) = (options, clock, logger);
        _looked = clock.GetTimestamp();
        (_files, _current) = Read(options, former: null)!.Value;
    }

    /// <summary>How long a certificate may be in use after its file has changed.</summary>
    public static TimeSpan BetweenLooks { get; } = TimeSpan.FromSeconds(10);

    /// <summary>What the next connection uses.</summary>
    public SslServerAuthenticationOptions Current
    {
        get
        {
            lock (_lock)
            {
                if (_clock.GetElapsedTime(_looked) >= BetweenLooks)
                {
                    _looked = _clock.GetTimestamp();
                    Renew();
                }

                return _current;
            }
        }
    }

    /// <summary>Says what is wrong with the files, and with which option; null when nothing is.</summary>
    public static (string Option, string Message)? Check(HttpTlsOptions options)
    {
        try
        {
            _ = Read(options, former: null);
            return null;
        }
        catch (HttpCertificateException wrong)
        {
            return (wrong.Option, wrong.Message);
        }
    }

    private void Renew()
    {
        try
        {
            if (Read(_options, _files) is { } renewed)
            {
                (_files, _current) = renewed;
                Renewed(_logger, _options.Certificate);
            }
        }
        catch (HttpCertificateException wrong)
        {
            NotRenewed(_logger, wrong.Message);
        }
    }

    /// <summary>What the files make; null when they are as they were.</summary>
    private static (CertificateFiles Files, SslServerAuthenticationOptions Options)? Read(HttpTlsOptions options, CertificateFiles? former)
    {
        var problems = new List<HttpCertificateException>();
        void Keep(string option, string message) => problems.Add(new HttpCertificateException(option, message));

        var files = CertificateFiles.Read(options.Certificate, options.Key, Keep);
        if (files is not null && files == former)
        {
            return null;
        }

        return files?.Load(options.Certificate, options.Key, Keep) is var (own, intermediate)
            ? (files, new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(own, intermediate, offline: true),
            })
            : throw problems[0];
    }

    [LoggerMessage(EventId = 200, Level = LogLevel.Information, Message = "http: the renewed certificate in {Path} is used")]
    private static partial void Renewed(ILogger logger, string path);

    [LoggerMessage(EventId = 201, Level = LogLevel.Warning, Message = "http: the renewed certificate cannot be used: {Reason}")]
    private static partial void NotRenewed(ILogger logger, string reason);
}

/// <summary>The files of a certificate cannot be used.</summary>
/// <param name="option">The option that names the file.</param>
/// <param name="message">What is wrong.</param>
internal sealed class HttpCertificateException(string option, string message) : Exception(message)
{
    public string Option { get; } = option;
}
