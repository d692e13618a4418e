using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Model;
using Policyd.Server.ExitCodes;
using Policyd.Server.Tls;

namespace Policyd.Server.Http;

/// <summary>
/// The HTTP endpoint of the running server: Kestrel in a host of its own, which reads no configuration but ours. It is bound before the
/// rest starts and closed after the rest has stopped, so that health can be asked all the time.
/// </summary>
internal sealed partial class HttpService(HttpOptions options, HttpPages pages, ILogger logger) : IHostedLifecycleService, IAsyncDisposable
{
    private WebApplication? _application;

    /// <exception cref="CommandException">The address cannot be bound, or the certificate cannot be used.</exception>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(
            new WebApplicationOptions { ApplicationName = "policyd", ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(Configure);
        _application = builder.Build();
        pages.Map(_application);
        try
        {
            await _application.StartAsync(cancellationToken);
        }
        catch (Exception unbound) when (Unbound(unbound) is { } explained)
        {
            throw explained;
        }

        Listening(logger, $"{(options.Tls is null ? "http" : "https")}://{options.Endpoint}");
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => _application?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    public ValueTask DisposeAsync() => _application?.DisposeAsync() ?? ValueTask.CompletedTask;

    // Bounds for a client that is no monitoring system: it must not take memory, descriptors or threads of the mail.
    private void Configure(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.MaxConcurrentConnections = HttpOptions.MostConnections;
        limits.MaxRequestLineSize = 4096;
        limits.MaxRequestHeaderCount = 50;
        limits.MaxRequestHeadersTotalSize = 16 * 1024;
        limits.MaxRequestBodySize = 0;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        kestrel.Listen(options.Endpoint!, Configure);
    }

    private void Configure(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http1;
        if (options.Tls is not { } tls)
        {
            return;
        }

        try
        {
            var certificate = new HttpCertificate(tls, TimeProvider.System, logger);
            listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => new(certificate.Current) });
        }
        catch (HttpCertificateException wrong)
        {
            throw new CommandException(ExitCode.Config, $"http: tls: {wrong.Option}: {wrong.Message}");
        }
    }

    private CommandException? Unbound(Exception failure) => failure switch
    {
        SocketException { SocketErrorCode: SocketError.AccessDenied } => NotBound(ExitCode.NoPermission, "no permission"),
        SocketException other => NotBound(ExitCode.OsError, other.Message),
        IOException { InnerException: AddressInUseException } => NotBound(ExitCode.OsError, "the address is already in use"),
        _ => null,
    };

    private CommandException NotBound(int code, string why) => new(code, $"http: cannot listen on {options.Endpoint}: {why}");

    [LoggerMessage(EventId = 202, Level = LogLevel.Information, Message = "metrics and health are shown on {Address}")]
    private static partial void Listening(ILogger logger, string address);

    /// <summary>The process has one owner of its signals already.</summary>
    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
