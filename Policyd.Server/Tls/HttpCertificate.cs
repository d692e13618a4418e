using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Model;

namespace Policyd.Server.Tls;

/// <summary>
/// The certificate as its files have it. They are looked at when a client connects, at most every ten seconds, so a renewed certificate is
/// taken without a restart. Files that do not fit each other, as in the middle of a renewal, leave the former one in use.
/// </summary>
internal sealed partial class HttpCertificate
{
    private static readonly TimeSpan s_betweenLooks = TimeSpan.FromSeconds(10);

    private readonly HttpTlsOptions _options;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private (DateTime Certificate, DateTime Key) _read;
    private SslServerAuthenticationOptions _current;
    private long _looked = Environment.TickCount64;

    /// <exception cref="HttpCertificateException">The files cannot be used.</exception>
    public HttpCertificate(HttpTlsOptions options, ILogger logger)
    {
        (_options, _logger) = (options, logger);
        _read = Times();
        _current = Load(options);
    }

    /// <summary>What the next connection uses.</summary>
    public SslServerAuthenticationOptions Current
    {
        get
        {
            lock (_lock)
            {
                var now = Environment.TickCount64;
                if (now - _looked >= s_betweenLooks.TotalMilliseconds)
                {
                    _looked = now;
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
            _ = Load(options);
            return null;
        }
        catch (HttpCertificateException wrong)
        {
            return (wrong.Option, wrong.Message);
        }
    }

    private void Renew()
    {
        if (Times() is var times && times == _read)
        {
            return;
        }

        try
        {
            _current = Load(_options);
            _read = times;
            Renewed(_logger, _options.Certificate);
        }
        catch (HttpCertificateException wrong)
        {
            NotRenewed(_logger, wrong.Message);
        }
    }

    private (DateTime Certificate, DateTime Key) Times() =>
        (File.GetLastWriteTimeUtc(_options.Certificate), File.GetLastWriteTimeUtc(_options.Key));

    private static SslServerAuthenticationOptions Load(HttpTlsOptions options)
    {
        var (text, key) = (Text("certificate", options.Certificate), Text("key", options.Key));
        try
        {
            var own = X509Certificate2.CreateFromPem(text, key);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPem(text);
            chain.RemoveAt(0);
            return new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(own, chain, offline: true),
            };
        }
        catch (Exception wrong) when (wrong is CryptographicException or ArgumentException)
        {
            throw new HttpCertificateException(
                "key", $"{options.Certificate} holds no certificate in PEM format to which the key in {options.Key} belongs");
        }
    }

    private static string Text(string option, string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new HttpCertificateException(option, $"{path} cannot be read: {unreadable.Message}");
        }
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
